import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { EmbeddedPostgresError } from './embedded-error.ts'
import type { EmbeddedHome, Owner } from './embedded-home.ts'
import { processCommand } from './process-identity.ts'

/** A data directory that PostgreSQL can be started on. */
export interface Cluster {
  readonly dataPath: string
  readonly password: string
}

/** In the data directory, so that data and password are moved and deleted together. */
const PASSWORD_FILE = 'superuser-password'

/** A fast shutdown writes a checkpoint first. */
const LEFTOVER_DEADLINE_MS = 30_000

/** Finds or creates the data directory of `home`; renamed into place once it is complete. */
export function prepareCluster(home: EmbeddedHome, options: { durable: boolean }): Cluster {
  const dataPath = path.join(home.directory, 'postgres')
  if (!existsSync(path.join(dataPath, 'PG_VERSION'))) initialise(home, dataPath, options)
  return { dataPath, password: readFileSync(path.join(dataPath, PASSWORD_FILE), 'utf8').trim() }
}

function initialise(home: EmbeddedHome, dataPath: string, { durable }: { durable: boolean }): void {
  const draft = `${dataPath}.new`
  const passwordDraft = `${dataPath}.password`
  rmSync(draft, { recursive: true, force: true })
  mkdirSync(draft, { mode: 0o700 })
  writeFileSync(passwordDraft, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600 })
  if (home.owner) for (const file of [draft, passwordDraft]) chownSync(file, home.owner.uid, home.owner.gid)

  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8']
  const access = ['--username=postgres', '--auth=scram-sha-256', `--pwfile=${passwordDraft}`]
  const sync = durable ? [] : ['--no-sync']
  const initdb = spawnSync(
    path.join(home.binaries, 'bin/initdb'),
    ['-D', draft, ...locale, ...access, ...sync],
    { ...asOwner(home.owner), encoding: 'utf8' },
  )
  if (initdb.status !== 0) {
    const output = initdb.error?.message ?? `${initdb.stdout}${initdb.stderr}`
    throw new EmbeddedPostgresError(`initdb of the embedded PostgreSQL failed:\n${output.trim()}`)
  }
  renameSync(passwordDraft, path.join(draft, PASSWORD_FILE))
  renameSync(draft, dataPath)
}

/** Spawn options of PostgreSQL's programs: user, and a clean environment. */
export function asOwner(owner: Owner | undefined) {
  // An unknown LANG or LC_ALL ends initdb, and PGDATA and PGPORT mislead the server. The user must be able to enter the
  // working directory.
  return { ...owner, cwd: '/', env: { LC_ALL: 'C', PATH: '/usr/local/bin:/usr/bin:/bin' } }
}

/**
 * Stops a postmaster that still runs on this directory because its server was killed; its guard may do so, too. Deletes
 * a `postmaster.pid` whose pid belongs to another process: PostgreSQL would refuse to start.
 */
export async function stopLeftover(dataPath: string): Promise<void> {
  const file = path.join(dataPath, 'postmaster.pid')
  const pid = existsSync(file) ? Number(readFileSync(file, 'utf8').split('\n')[0]) : Number.NaN
  const command = Number.isInteger(pid) ? processCommand(pid) : undefined
  // No process has that pid: PostgreSQL handles such a file itself.
  if (command === undefined || command === '') return
  if (!isPostmaster(command, dataPath)) return rmSync(file, { force: true })

  kill(pid, 'SIGINT')
  const deadline = Date.now() + LEFTOVER_DEADLINE_MS
  while (isPostmaster(processCommand(pid), dataPath)) {
    if (Date.now() > deadline) {
      throw new EmbeddedPostgresError(
        `a PostgreSQL left behind by an earlier start does not stop (pid ${pid}, ${dataPath})`,
      )
    }
    await delay(50)
  }
}

function isPostmaster(command: string | undefined, dataPath: string): boolean {
  return command?.includes(`-D ${dataPath} `) === true
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    // It has ended meanwhile.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
