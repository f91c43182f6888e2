import { hostname } from 'node:os'
import pg from 'pg'
import { TaskError } from '../engine/definition/errors.ts'
import { version } from '../version.ts'
import { applyMigrations, failure, type Target } from './apply-migrations.ts'
import { EngineSchema } from './engine-schema.ts'
import { isOutage, reason, unavailable, whileConnecting } from './errors.ts'
import { awaitConnection } from './full-server.ts'
import { takeMigrationLock } from './migration-lock.ts'
import { type Migration, type MigrationHistory, readMigrations } from './migrations.ts'
import type { OnNotice } from './notices.ts'
import { ENGINE_TYPES } from './reading.ts'
import { requireUsable } from './requirements.ts'
import { prepareSession } from './session.ts'

/**
 * Migrates a database, or verifies it. Files and journal table are drizzle-kit's, but not the migrator, which takes no
 * lock, silently skips entries older than the newest applied one, and needs a privilege for CREATE SCHEMA.
 *
 * One connection holds a session lock, so that processes that start together queue. Each missing entry is applied in a
 * transaction of its own, and takes its locks as `table-locks.ts` describes.
 */

export type { MigrationHistory }

export interface MigrateOptions {
  /** `auto` applies missing migrations; `verify` throws if any is missing. */
  mode: 'auto' | 'verify'
  /** Of the engine's tables. Default: `public`. */
  schema?: EngineSchema
  /**
   * Called once if the database is newer than this version, and with the reason of a wait of more than a second,
   * repeatedly, at most once a minute.
   */
  onNotice?: OnNotice
  /** How long a migration tries to get the locks of its tables. Default: 5 minutes. */
  lockWaitMs?: number
  /** Cancels: the migration in progress is rolled back. */
  signal?: AbortSignal
}

const CONNECT_TIMEOUT_MS = 60_000

const LOCK_WAIT_MS = 300_000

/** Overrides the host's query timeout. */
const UNBOUNDED_MS = 2_147_483_647

/** Tables of the migrations that were applied. */
export const JOURNALS = {
  tasks: 'async_tasks_migrations',
  server: 'server_migrations',
} as const satisfies Record<MigrationHistory, string>

/** A connection or a pool. */
interface Reader {
  query<Row extends pg.QueryResultRow>(config: pg.QueryConfig): Promise<pg.QueryResult<Row>>
}

/** A row of the journal. */
interface Applied {
  readonly time: number
  /** Null: applied by a version that did not record it. */
  readonly oldestVersion: string | null
}

/**
 * @param connection a connection that keeps its session (not PgBouncer in transaction mode)
 * @returns the names of the migrations that this call applied
 * @throws TaskError `MIGRATION_FAILED`, or `DATABASE_UNAVAILABLE` without a connection
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
    await awaitConnection(connect, { signal, onWait }).catch((error: unknown) => {
      throw whileConnecting(error)
    })
    return await run(client, history, options)
  } catch (error) {
    if (options.signal?.aborted) throw options.signal.reason
    if (error instanceof TaskError) throw error
    if (isOutage(error)) throw unavailable(error)
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
  history: MigrationHistory,
  {
    mode,
    schema = EngineSchema.public,
    onNotice = () => {},
    lockWaitMs = LOCK_WAIT_MS,
    signal = new AbortController().signal,
  }: MigrateOptions,
): Promise<string[]> {
  const target = toTarget(client, history, schema)
  await prepareSession(client)
  await requireUsable(client)
  // A role's time limits are meant for requests.
  await client.query(`select set_config(name, '0', false) from pg_settings where name = any('{${LIMITS}}')`)
  // drizzle-kit does not qualify tables.
  await client.query(`select set_config('search_path', $1, false)`, [schema.quoted])
  await takeMigrationLock(client, schema, onNotice, signal)

  const { known, missing } = await compare(target, onNotice)
  if (missing.length === 0) return []
  const names = missing.map((migration) => migration.name)
  if (mode === 'verify') {
    throw failure(`the database lacks the ${history} migrations ${names.join(', ')}; apply them first`)
  }
  const hasSchema = await findSchema(target)
  await applyMigrations(target, missing, { hasSchema, onNotice, lockWaitMs, signal })
  const left = findMissing(history, known, await readApplied(target))
  if (left.length > 0) {
    throw failure(`still not applied after migrating: ${left.map((migration) => migration.name).join(', ')}`)
  }
  return names
}

export interface SchemaState {
  readonly missing: readonly string[]
  /** No migration was ever applied. */
  readonly isNew: boolean
}

/**
 * What a schema lacks, read without a lock and by any connection, that of a pooler too.
 *
 * @throws TaskError `MIGRATION_FAILED` if the schema is too new for this version
 */
export async function readSchemaState(
  client: Reader,
  history: MigrationHistory,
  schema: EngineSchema,
  onNotice: OnNotice,
): Promise<SchemaState> {
  const { applied, missing } = await compare(toTarget(client, history, schema), onNotice)
  return { missing: missing.map(({ name }) => name), isNew: applied.length === 0 }
}

function toTarget<Client extends Reader>(
  client: Client,
  history: MigrationHistory,
  schema: EngineSchema,
): Target<Client> {
  return { client, history, schema, journal: `${schema.quoted}."${JOURNALS[history]}"` }
}

async function compare(target: Target<Reader>, onNotice: OnNotice) {
  const { history, schema } = target
  const known = readMigrations(history, schema)
  const applied = await readApplied(target)
  checkNewer(history, known, applied, onNotice)
  return { known, applied, missing: findMissing(history, known, applied) }
}

/** Whether the schema exists. @throws TaskError if it neither does nor can be created */
async function findSchema({ client, schema }: Target): Promise<boolean> {
  const { rows } = await client.query<{ exists: boolean; mayCreate: boolean; role: string; db: string }>({
    text: `select to_regnamespace($1) is not null as exists,
                  has_database_privilege(current_database(), 'create') as "mayCreate",
                  quote_ident(current_user) as role, quote_ident(current_database()) as db`,
    values: [schema.quoted],
    types: ENGINE_TYPES,
  })
  const { exists, mayCreate, role, db } = rows[0] ?? {}
  if (exists) return true
  if (schema.isPublic) throw failure('the database has no schema public: create it, or name another schema')
  if (mayCreate) return false
  throw failure(
    `the schema ${schema.quoted} does not exist, and the role ${role} may not create it: run ` +
      `create schema ${schema.quoted} authorization ${role}, or grant create on database ${db} to ${role}`,
  )
}

/**
 * A later version's migrations are additive: this version works beside them, if it is as new as they ask for.
 *
 * @throws TaskError `MIGRATION_FAILED` if it is older
 */
function checkNewer(
  history: MigrationHistory,
  known: readonly Migration[],
  applied: readonly Applied[],
  onNotice: OnNotice,
): void {
  const knownTimes = new Set(known.map((migration) => migration.folderMillis))
  const unknown = applied.filter(({ time }) => !knownTimes.has(time))
  if (unknown.length === 0) return
  const times = unknown.map(({ time }) => new Date(time).toISOString()).join(', ')
  const newer = `its ${history} history holds ${unknown.length} migration(s) that this version, ${version}, does not know (made ${times})`
  const bounds = unknown.flatMap(({ oldestVersion }) => oldestVersion ?? [])
  const oldest = bounds.toSorted(compareVersions).at(-1)
  if (oldest === undefined || bounds.length < unknown.length) {
    throw failure(
      `the database is newer than this code: ${newer}. Run the version that applied them, or a later one`,
    )
  }
  if (compareVersions(version, oldest) < 0) {
    throw failure(
      `the database is newer than this code: ${newer}, and beside which only version ${oldest} or a later one works`,
    )
  }
  onNotice(`the database is newer than this code, which works with it: ${newer}`)
}

/** Compares by `when`, drizzle-kit's creation time, as Drizzle does. */
function findMissing(
  history: MigrationHistory,
  known: readonly Migration[],
  applied: readonly Applied[],
): Migration[] {
  const appliedTimes = new Set(applied.map(({ time }) => time))
  const missing = known.filter((migration) => !appliedTimes.has(migration.folderMillis))
  const newest = Math.max(...appliedTimes)
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

async function readApplied({ client, journal }: Target<Reader>): Promise<Applied[]> {
  const exists = await client.query<{ exists: boolean }>({
    text: 'select to_regclass($1) is not null as exists',
    values: [journal],
    types: ENGINE_TYPES,
  })
  if (exists.rows[0]?.exists !== true) return []
  // As JSON: versions before the column `oldest_version` made the table without it.
  const { rows } = await client.query<{ time: string; oldestVersion: string | null }>({
    text: `select created_at as time, to_json(journal)->>'oldest_version' as "oldestVersion" from ${journal} journal order by 1`,
    types: ENGINE_TYPES,
  })
  return rows.map(({ time, oldestVersion }) => ({ time: Number(time), oldestVersion }))
}

/** By major, minor and patch. */
function compareVersions(one: string, other: string): number {
  const [a, b] = [one, other].map((version) => version.split(/[.+-]/).map(Number))
  for (const i of [0, 1, 2]) {
    const difference = (a?.[i] || 0) - (b?.[i] || 0)
    if (difference !== 0) return difference
  }
  return 0
}
