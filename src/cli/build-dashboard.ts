import { execFile } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** What the page is made of. */
const SOURCES = ['src/dashboard', 'src/client', 'src/contract', 'package.json']
const BUILT = 'dist/dashboard/index.html'

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
  const built = modifiedAt(path.join(ROOT, BUILT))
  if (built !== undefined && built >= newestSource()) return
  const startedAt = performance.now()
  log.info(built === undefined ? 'building the admin page' : 'building the admin page: its sources have changed')
  try {
    const vite = path.join(ROOT, 'node_modules/vite/bin/vite.js')
    await run(process.execPath, [vite, 'build', 'src/dashboard', '--logLevel', 'warn'], { cwd: ROOT })
    log.info(`built the admin page in ${Math.round(performance.now() - startedAt)} ms`)
  } catch (error) {
    const { stderr, message } = error as Error & { stderr?: string }
    log.error({ reason: (stderr || message).trim().slice(0, 2_000) }, 'the admin page could not be built')
  }
}

function newestSource(): number {
  const files = SOURCES.flatMap((name) => listFiles(path.join(ROOT, name)))
  return Math.max(...files.map((file) => modifiedAt(file) ?? 0))
}

function listFiles(place: string): string[] {
  const found = statSync(place, { throwIfNoEntry: false })
  if (!found?.isDirectory()) return [place]
  // The folder itself, too: a file that was removed has changed it.
  return [place, ...readdirSync(place, { recursive: true, encoding: 'utf8' }).map((name) => path.join(place, name))]
}

function modifiedAt(file: string): number | undefined {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs
}
