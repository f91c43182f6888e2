import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { processStart } from './process-identity.ts'

/** One server per folder: two would share the embedded database and race for the session secret. */
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
 * Takes `server.pid` in `dataDir`, with pid and start time. Takes over the file of a process that has ended, even if
 * its pid is reused.
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

/** A link appears with its content: no one reads a half-written lock. */
function tryLink(draft: string, file: string): boolean {
  try {
    linkSync(draft, file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

/** @throws ServerRunningError while the holder lives */
function removeStale(file: string): void {
  const content = read(file)
  if (content === undefined) return
  const [pid = '', start] = content.split('\n')
  if (start && processStart(Number(pid)) === start) throw new ServerRunningError(Number(pid), file)
  // Another process may have replaced the lock since the read: checks what was moved.
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
