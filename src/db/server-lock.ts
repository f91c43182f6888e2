import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { processStart } from './process-identity.ts'

/** A folder's server: two on one embedded database, or with one session secret being made, would collide. */
export interface ServerLock {
  release(): void
}

export class ServerRunningError extends Error {
  override readonly name = 'ServerRunningError'
  readonly pid: number

  constructor(pid: number, file: string) {
    super(`a server is already running in this folder with pid ${pid} (${file})`)
    this.pid = pid
  }
}

/**
 * Takes `server.pid` in `dataDir`. The file holds the pid and the start time of its process: a file whose
 * process has ended, even when the pid lives on as something else, is taken over.
 */
export function acquireServerLock(dataDir: string): ServerLock {
  mkdirSync(dataDir, { recursive: true })
  const file = path.join(dataDir, 'server.pid')
  const mine = `${process.pid}\n${processStart(process.pid)}\n`
  const draft = `${file}.${process.pid}`
  writeFileSync(draft, mine)
  try {
    while (!tryLink(draft, file)) removeStale(file)
  } finally {
    rmSync(draft, { force: true })
  }
  return {
    release() {
      if (read(file) === mine) rmSync(file, { force: true })
    },
  }
}

/** A link appears with its content, so that nobody ever reads a half-written lock. */
function tryLink(draft: string, file: string): boolean {
  try {
    linkSync(draft, file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** @throws ServerRunningError when the holder is alive */
function removeStale(file: string): void {
  const content = read(file)
  if (content === undefined) return
  const [pid = '', start] = content.split('\n')
  if (start && processStart(Number(pid)) === start) throw new ServerRunningError(Number(pid), file)
  // Another starter may have put its own lock there since the read: look at what was really taken away.
  const taken = `${file}.stale.${process.pid}`
  try {
    renameSync(file, taken)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  if (read(taken) !== content) tryLink(taken, file)
  rmSync(taken, { force: true })
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
