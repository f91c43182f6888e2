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
  /** Password of the superuser `postgres`. */
  readonly password: string
}

/** A file in the data directory, so that data and password are made, moved and deleted together. */
const PASSWORD_FILE = 'superuser-password'

/** A fast shutdown writes a checkpoint first, which takes its time on a slow disk. */
const LEFTOVER_DEADLINE_MS = 30_000

/** Finds the data directory of `home`, or makes it. It gets its name when it is whole. */
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

/** Spawn options of every PostgreSQL program: its user, and an environment that cannot disturb it. */
export function asOwner(owner: Owner | undefined) {
  // A LANG or LC_ALL that the system does not have ends initdb, PGDATA and PGPORT mislead the server;
  // the working directory must be one that the user may enter.
  return { ...owner, cwd: '/', env: { LC_ALL: 'C', PATH: '/usr/local/bin:/usr/bin:/bin' } }
}

/**
 * Makes way for a new postmaster. One that still runs on this directory, because its server was killed, is
 * about to be stopped by its guard; stopping it a second time does no harm, and helps when the guard was
 * killed too. A `postmaster.pid` whose pid now belongs to something else would make PostgreSQL refuse.
 */
export async function stopLeftover(dataPath: string): Promise<void> {
  const file = path.join(dataPath, 'postmaster.pid')
  const pid = existsSync(file) ? Number(readFileSync(file, 'utf8').split('\n')[0]) : Number.NaN
  const command = Number.isInteger(pid) ? processCommand(pid) : undefined
  // Nothing runs under that pid: PostgreSQL deals with such a file itself, and better than we could.
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
    // It ended in between, which is what we want.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}
