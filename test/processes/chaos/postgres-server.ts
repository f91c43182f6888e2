import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { chmodSync, globSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { createPool } from '../../../src/db/client.ts'
import { asOwner, prepareCluster } from '../../../src/db/embedded-cluster.ts'
import { prepareHome } from '../../../src/db/embedded-home.ts'
import { EngineSchema } from '../../../src/db/engine-schema.ts'
import { migrate } from '../../../src/db/migrate.ts'
import type { TestDatabase } from '../../support/database.ts'
import { databaseUrl } from '../../support/database-url.ts'

export interface PostgresServer {
  readonly url: string
  /** `fast` breaks every connection and writes a checkpoint; `immediate` is a crash, with a recovery. */
  restart(mode: 'fast' | 'immediate'): Promise<void>
  /** A database with the engine's tables. */
  createDatabase(): Promise<TestDatabase>
  /** Sets the server's clock to so many seconds from the right time. Needs `clock`. */
  setClock(offsetSeconds: number): void
  remove(): Promise<void>
}

// A crash of the server alone loses nothing without fsync, but would lose commits that were not waited for.
const SETTINGS = [
  'listen_addresses=127.0.0.1',
  'unix_socket_directories=',
  'fsync=off',
  'full_page_writes=off',
]

/** Ends the server if this process dies without doing so. */
const GUARD = 'read -r _; kill -QUIT "$(head -n 1 "$0")"'

/** Of Debian's package `faketime`: preloaded into a program, it reads how wrong the program's clock is from a file. */
const FAKETIME = globSync('/usr/lib/*/faketime/libfaketime.so.1')[0]
export const HAS_FAKETIME = FAKETIME !== undefined

/** A PostgreSQL of a test's own, to be restarted; with `clock`, its clock can be set. */
export async function startPostgres(options: {
  maxConnections: number
  clock?: boolean
}): Promise<PostgresServer> {
  const folder = mkdtempSync(path.join(tmpdir(), 'chaos-postgres-'))
  // As root the user postgres has to reach it.
  chmodSync(folder, 0o755)
  const home = prepareHome(folder)
  const { dataPath, password } = prepareCluster(home, { durable: false })
  const port = await findFreePort()
  const settings = [...SETTINGS, `port=${port}`, `max_connections=${options.maxConnections}`]
  const server = [
    '-o',
    settings.map((setting) => `-c ${setting}`).join(' '),
    '-l',
    path.join(dataPath, 'log'),
  ]

  const offset = path.join(folder, 'clock-offset')
  const setClock = (seconds: number) => writeFileSync(offset, `${seconds < 0 ? '' : '+'}${seconds}\n`)
  setClock(0)
  const clock = { LD_PRELOAD: FAKETIME, FAKETIME_TIMESTAMP_FILE: offset, FAKETIME_NO_CACHE: '1' }
  const owner = asOwner(home.owner)
  const env = options.clock ? { ...owner.env, ...clock, FAKETIME_DONT_FAKE_MONOTONIC: '1' } : owner.env

  const control = async (...args: string[]) => {
    // Its output would stay open as long as the server that inherits it.
    const program = path.join(home.binaries, 'bin/pg_ctl')
    const child = spawn(program, [...args, '-w', '-s', '-D', dataPath], {
      ...owner,
      env,
      stdio: 'ignore',
    })
    const [code] = (await once(child, 'exit')) as [number | null]
    if (code !== 0) throw new Error(`pg_ctl ${args[0]} ended with ${code}; see ${dataPath}/log`)
  }
  await control('start', ...server)
  const guard = spawn('/bin/sh', ['-c', GUARD, path.join(dataPath, 'postmaster.pid')], {
    ...asOwner(home.owner),
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  const url = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`
  return {
    url,
    createDatabase: () => createDatabaseOn(url),
    setClock,
    restart: (mode) => control('restart', '-m', mode, ...server),
    async remove() {
      await control('stop', '-m', 'immediate')
      guard.stdin.end()
      await once(guard, 'exit')
      rmSync(folder, { recursive: true })
    },
  }
}

async function createDatabaseOn(serverUrl: string): Promise<TestDatabase> {
  const name = `chaos_${randomBytes(6).toString('hex')}`
  await asAdmin(serverUrl, `create database ${name}`)
  const url = databaseUrl(serverUrl, name)
  await migrate(url, 'tasks', { mode: 'auto' })
  const pool = createPool({ connectionString: url })
  return {
    url,
    directUrl: url,
    pool,
    schema: EngineSchema.public,
    prepared: true,
    async drop() {
      await pool.end()
      await asAdmin(serverUrl, `drop database ${name} with (force)`)
    },
  }
}

async function asAdmin(serverUrl: string, statement: string): Promise<void> {
  const admin = new pg.Client({ connectionString: serverUrl })
  await admin.connect()
  await admin.query(statement)
  await admin.end()
}

export async function findFreePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}
