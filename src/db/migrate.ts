import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { fileURLToPath } from 'node:url'
import { type MigrationMeta, readMigrationFiles } from 'drizzle-orm/migrator'
import pg from 'pg'
import { TaskError } from '../engine/definition/errors.ts'
import { ENGINE_MIGRATIONS } from './engine-migrations.ts'
import { awaitConnection } from './full-server.ts'
import { type OnNotice, reportingMigration, takeMigrationLock } from './migration-lock.ts'
import { ENGINE_TYPES } from './reading.ts'
import { requireUsable } from './requirements.ts'
import { prepareSession } from './session.ts'

/**
 * Brings a database to what the code expects, or checks that it is there.
 *
 * The files are drizzle-kit's and the journal table has the shape of Drizzle's, but Drizzle's own migrator
 * is not used: it takes no lock, skips what is older than the newest applied entry without a word, and
 * begins with CREATE SCHEMA, which needs a privilege on the database that a careful host does not give.
 *
 * Everything happens on one connection that holds a session lock, so that processes which boot together
 * queue up and the later ones find nothing left to do. All missing entries go into one transaction: a
 * failure leaves the database as it was.
 */

export type MigrationHistory = 'tasks' | 'server'

export interface MigrateOptions {
  /** `auto` applies what is missing; `verify` throws when something is, and changes nothing. */
  mode: 'auto' | 'verify'
  /** Called with what a wait of more than a second is for, again and again, at most once a minute. */
  onNotice?: OnNotice
  /** Gives up: nothing is applied. */
  signal?: AbortSignal
}

const CONNECT_TIMEOUT_MS = 60_000

/** `pg` bounds each query where the host's defaults say so. A migration takes as long as it takes. */
const UNBOUNDED_MS = 2_147_483_647

interface Migration extends MigrationMeta {
  readonly name: string
}

const journalTables = {
  tasks: 'public.async_tasks_migrations',
  server: 'public.server_migrations',
} as const satisfies Record<MigrationHistory, string>

/**
 * @param connection a connection that keeps its session (not PgBouncer in transaction mode)
 * @returns the names of the migrations that this call applied
 * @throws TaskError `MIGRATION_FAILED`
 */
export async function migrate(
  connection: string | pg.ClientConfig,
  history: MigrationHistory,
  options: MigrateOptions,
): Promise<string[]> {
  const config: pg.ClientConfig = {
    ...(typeof connection === 'string' ? { connectionString: connection } : connection),
    application_name: `fastify-async-tasks migrations of ${process.pid} on ${hostname()}`.slice(0, 63),
    query_timeout: UNBOUNDED_MS,
    // A server that many processes start with may take its time.
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  }
  const { signal, onNotice } = options
  let client = new pg.Client(config)
  const connect = async () => {
    client = new pg.Client(config)
    // The query under way rejects when the connection breaks; without a listener the event ends the process.
    client.on('error', () => {})
    await client.connect()
  }
  const onWait = () => onNotice?.('the database has no connection left: waiting for one')
  // Also while a statement waits: its backend notices, and releases the lock.
  const abort = () => void client.end().catch(() => {})
  signal?.addEventListener('abort', abort, { once: true })
  try {
    await awaitConnection(connect, { signal, onWait })
    return await run(client, config, history, options)
  } catch (error) {
    if (options.signal?.aborted) throw options.signal.reason
    if (error instanceof TaskError) throw error
    throw failure(`the ${history} migrations failed: ${reason(error)}`, error)
  } finally {
    options.signal?.removeEventListener('abort', abort)
    // Also releases the lock.
    await client.end().catch(() => {})
  }
}

const LIMITS = 'statement_timeout,lock_timeout,transaction_timeout,idle_in_transaction_session_timeout'

async function run(
  client: pg.Client,
  config: pg.ClientConfig,
  history: MigrationHistory,
  { mode, onNotice = () => {}, signal = new AbortController().signal }: MigrateOptions,
): Promise<string[]> {
  await prepareSession(client)
  await requireUsable(client)
  // A role's own limits are meant for requests: a migration may take longer.
  await client.query(`select set_config(name, '0', false) from pg_settings where name = any('{${LIMITS}}')`)
  // drizzle-kit's foreign keys name the schema public and its tables none: both must mean the same.
  await client.query(`select set_config('search_path', 'public', false)`)
  await takeMigrationLock(client, onNotice, signal)

  const known = readMigrations(history)
  const missing = findMissing(history, known, await readApplied(client, history))
  if (missing.length === 0) return []
  const names = missing.map((migration) => migration.name)
  if (mode === 'verify') {
    throw failure(`the database lacks the ${history} migrations ${names.join(', ')}; apply them first`)
  }
  await reportingMigration(client, config, names, onNotice, () => apply(client, history, missing))
  const left = findMissing(history, known, await readApplied(client, history))
  if (left.length > 0) {
    throw failure(`still not applied after migrating: ${left.map((migration) => migration.name).join(', ')}`)
  }
  return names
}

/** Compares by `when`, the creation time that drizzle-kit gives an entry; it is what Drizzle itself goes by. */
function findMissing(history: MigrationHistory, known: Migration[], applied: number[]): Migration[] {
  const knownTimes = new Set(known.map((migration) => migration.folderMillis))
  const unknown = applied.filter((time) => !knownTimes.has(time))
  if (unknown.length > 0) {
    const times = unknown.map((time) => new Date(time).toISOString()).join(', ')
    throw failure(
      `the database is newer than this code: its ${history} history holds ${unknown.length} migration(s) ` +
        `that this version does not know (made ${times}). Run the version that applied them, or a later one`,
    )
  }
  const appliedTimes = new Set(applied)
  const missing = known.filter((migration) => !appliedTimes.has(migration.folderMillis))
  const newest = Math.max(...applied)
  const overtaken = missing.filter((migration) => migration.folderMillis < newest)
  if (overtaken.length > 0) {
    const names = overtaken.map((migration) => migration.name).join(', ')
    throw failure(
      `the ${history} migrations ${names} are older than the newest one applied and would be skipped. ` +
        'Generate them anew, so that they come last',
    )
  }
  return missing
}

async function readApplied(client: pg.Client, history: MigrationHistory): Promise<number[]> {
  const table = journalTables[history]
  const exists = await client.query<{ exists: boolean }>({
    text: 'select to_regclass($1) is not null as exists',
    values: [table],
    types: ENGINE_TYPES,
  })
  if (exists.rows[0]?.exists !== true) return []
  const { rows } = await client.query<{ created_at: string }>({
    text: `select created_at from ${table} order by 1`,
    types: ENGINE_TYPES,
  })
  return rows.map((row) => Number(row.created_at))
}

async function apply(client: pg.Client, history: MigrationHistory, missing: Migration[]): Promise<void> {
  const table = journalTables[history]
  await client.query('begin isolation level read committed')
  await client.query(
    `create table if not exists ${table} (id serial primary key, hash text not null, created_at bigint)`,
  )
  for (const migration of missing) {
    try {
      for (const statement of migration.sql) await client.query(statement)
    } catch (error) {
      throw failure(`the migration ${history}/${migration.name} failed: ${reason(error)}`, error)
    }
    await client.query(`insert into ${table} (hash, created_at) values ($1, $2)`, [
      migration.hash,
      migration.folderMillis,
    ])
  }
  await client.query('commit')
}

function readMigrations(history: MigrationHistory): Migration[] {
  return history === 'tasks' ? ENGINE_MIGRATIONS.map(toMigration) : readServerMigrations()
}

/** As Drizzle reads a file: whether it has been applied is told by `when`. */
function toMigration({ name, when, text }: (typeof ENGINE_MIGRATIONS)[number]): Migration {
  const hash = createHash('sha256').update(text).digest('hex')
  return { name, folderMillis: when, hash, sql: text.split('--> statement-breakpoint'), bps: true }
}

function readServerMigrations(): Migration[] {
  const folder = fileURLToPath(new URL('../../migrations/server', import.meta.url))
  const journal = JSON.parse(readFileSync(`${folder}/meta/_journal.json`, 'utf8')) as {
    entries: { tag: string }[]
  }
  return readMigrationFiles({ migrationsFolder: folder }).map((migration, index) => ({
    ...migration,
    name: journal.entries[index]?.tag ?? String(index),
  }))
}

/** A refused connection to a name with several addresses has its reason in the code alone. */
function reason(error: unknown): string {
  const { message, code } = error as Error & { code?: string }
  return message || code || String(error)
}

function failure(message: string, cause?: unknown): TaskError {
  return new TaskError('MIGRATION_FAILED', message, { cause })
}
