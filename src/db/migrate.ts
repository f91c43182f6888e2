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
 * Migrates a database, or verifies it. Files and journal table are drizzle-kit's, but not the migrator, which takes no
 * lock, silently skips entries older than the newest applied one, and needs a privilege for CREATE SCHEMA.
 *
 * One connection holds a session lock, so that processes that start together queue. All missing entries are applied in
 * one transaction.
 */

export type MigrationHistory = 'tasks' | 'server'

export interface MigrateOptions {
  /** `auto` applies missing migrations; `verify` throws if any is missing. */
  mode: 'auto' | 'verify'
  /** Called with the reason of a wait of more than a second, repeatedly, at most once a minute. */
  onNotice?: OnNotice
  /** Cancels: nothing is applied. */
  signal?: AbortSignal
}

const CONNECT_TIMEOUT_MS = 60_000

/** Overrides the host's query timeout. */
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
    // Many processes may be connecting at once.
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
  }
  const { signal, onNotice } = options
  let client = new pg.Client(config)
  const connect = async () => {
    client = new pg.Client(config)
    // The query in flight rejects; without a listener the event would end the process.
    client.on('error', () => {})
    await client.connect()
  }
  const onWait = () => onNotice?.('the database has no connection left: waiting for one')
  // The backend of a waiting statement notices it and releases the lock.
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
  // A role's time limits are meant for requests.
  await client.query(`select set_config(name, '0', false) from pg_settings where name = any('{${LIMITS}}')`)
  // drizzle-kit qualifies foreign keys with public, but not tables.
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

/** Compares by `when`, drizzle-kit's creation time, as Drizzle does. */
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

/** Reads a file as Drizzle does. */
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

/** With several addresses, only the code tells why a connection was refused. */
function reason(error: unknown): string {
  const { message, code } = error as Error & { code?: string }
  return message || code || String(error)
}

function failure(message: string, cause?: unknown): TaskError {
  return new TaskError('MIGRATION_FAILED', message, { cause })
}
