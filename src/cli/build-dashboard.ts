import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** What the page is made of. */
const SOURCES = ['src/dashboard', 'src/client', 'src/contract', 'package.json']
const BUILT = path.join(ROOT, 'dist/dashboard')
/** After this, nobody serves the assets of an earlier build any more. */
const OLD_MS = 24 * 3_600_000

const run = promisify(execFile)

interface BuildLog {
  info(message: string): void
  error(details: object, message: string): void
}

/**
 * Builds the admin page where it is missing or older than its sources, in a process of its own: a bundler's memory
 * would stay with the server. Never throws; a server without its page is still a server.
 */
export async function buildDashboardIfStale(log: BuildLog): Promise<void> {
  const builtAt = modifiedAt(path.join(BUILT, 'index.html'))
  if (builtAt !== undefined && builtAt >= newestSource()) return
  const startedAt = performance.now()
  log.info(
    builtAt === undefined ? 'building the admin page' : 'building the admin page: its sources have changed',
  )
  const draft = path.join(ROOT, `dist/.dashboard-${process.pid}`)
  try {
    const vite = path.join(ROOT, 'node_modules/vite/bin/vite.js')
    const args = [vite, 'build', 'src/dashboard', '--outDir', draft, '--logLevel', 'warn']
    // This process may run for development; the page is built for production.
    await run(process.execPath, args, { cwd: ROOT, env: { NODE_ENV: 'production', NO_COLOR: '1' } })
    publish(draft)
    log.info(`built the admin page in ${Math.round(performance.now() - startedAt)} ms`)
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string }
    log.error({ reason: (stderr || message).trim().slice(0, 2_000) }, 'the admin page could not be built')
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
}

/**
 * Another server may be serving from that folder, or be doing the same: names of assets carry a hash, so theirs stay
 * beside ours, and the index, which names them, comes last and whole.
 */
function publish(draft: string): void {
  const assets = path.join(BUILT, 'assets')
  mkdirSync(assets, { recursive: true })
  for (const name of readdirSync(assets)) {
    const file = path.join(assets, name)
    if (Date.now() - (modifiedAt(file) ?? 0) > OLD_MS) rmSync(file, { force: true })
  }
  const index = path.join(draft, 'index.html')
  cpSync(draft, BUILT, { recursive: true, filter: (file) => file !== index })
  renameSync(index, path.join(BUILT, 'index.html'))
}

function newestSource(): number {
  const files = SOURCES.flatMap((name) => listFiles(path.join(ROOT, name)))
  return Math.max(...files.map((file) => modifiedAt(file) ?? 0))
}

function listFiles(place: string): string[] {
  const found = statSync(place, { throwIfNoEntry: false })
  if (!found?.isDirectory()) return [place]
  // The folder itself, too: a file that was removed has changed it.
  const names = readdirSync(place, { recursive: true, encoding: 'utf8' })
  return [place, ...names.map((name) => path.join(place, name))]
}

function modifiedAt(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs
}
