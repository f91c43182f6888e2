import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import { TaskError } from '../engine/definition/errors.ts'
import { queryPool, withTransaction } from './client.ts'
import { EngineSchema } from './engine-schema.ts'
import { codeOf, SERIALIZATION_FAILURE } from './errors.ts'
import { Gate } from './gate.ts'
import { ENGINE_TYPES } from './reading.ts'
import type { Statement } from './statement.ts'

export { type Statement, statement } from './statement.ts'

export interface Database {
  readonly pool: pg.Pool
  /** Where the tables are. */
  readonly schema: EngineSchema
  /** False: the pooler does not keep prepared statements. */
  readonly prepared: boolean
  /** A missing response counts as a broken connection after this time. */
  readonly responseTimeoutMs: number
  readonly gate: Gate
}

export function createDatabase(
  pool: pg.Pool,
  {
    prepared,
    responseTimeoutMs = 30_000,
    gate = new Gate(),
    schema = EngineSchema.public,
  }: { prepared: boolean; responseTimeoutMs?: number; gate?: Gate; schema?: EngineSchema | undefined },
): Database {
  return { pool, schema, prepared, responseTimeoutMs, gate }
}

/**
 * The same database, which keeps plans only while `areSound` returns true: a plan made for small tables may be a scan,
 * and would be kept while they grow.
 */
export function keepPlansWhile(db: Database, areSound: () => boolean): Database {
  return {
    ...db,
    get prepared() {
      return db.prepared && areSound()
    },
  }
}

/** Runs a statement. `Row` is the shape of its select or returning list. */
export async function execute<Row>(
  db: Database,
  statement: Statement,
  values: readonly unknown[],
): Promise<Row[]> {
  return (await run<Row>(db, toQuery(db, db.schema.renameStatement(statement), values))).rows
}

/** Runs a statement that returns no rows. Returns how many it has written. */
export async function executeChange(
  db: Database,
  statement: Statement,
  values: readonly unknown[],
): Promise<number> {
  return (await run(db, toQuery(db, db.schema.renameStatement(statement), values))).rowCount ?? 0
}

/** Runs a text that is planned for its values each time: its shape depends on the caller. */
export async function query<Row>(db: Database, text: string, values: readonly unknown[]): Promise<Row[]> {
  return (await run<Row>(db, toQuery(db, { text: db.schema.rename(text) }, values))).rows
}

/** A host's pool may use a stricter isolation level. */
const MAX_CONFLICTS = 20
/** An undefined table, column or schema. */
const MISSING: ReadonlySet<string> = new Set(['42P01', '42703', '3F000'])

async function run<Row>(db: Database, query: SentQuery): Promise<pg.QueryResult<Row & pg.QueryResultRow>> {
  if (!db.gate.isOpen) await db.gate.held
  for (let conflicts = 0; ; conflicts += 1) {
    try {
      return await queryPool(db.pool, query.text, query.values, query)
    } catch (error) {
      // A statement is its own transaction here: nothing of it has taken effect.
      if (codeOf(error) !== SERIALIZATION_FAILURE || conflicts === MAX_CONFLICTS) throw missingTables(error)
      await delay(Math.random() * conflicts * 5)
    }
  }
}

/** A fixed statement meets these only where the schema is another. */
function missingTables(error: unknown): unknown {
  if (!MISSING.has(codeOf(error) ?? '')) return error
  const message = `the database lacks tables or columns of the engine: apply its migrations first (${(error as Error).message})`
  return new TaskError('MIGRATION_FAILED', message, { cause: error })
}

/** A transaction's connection, with a time limit for each response. */
export interface BoundedClient {
  execute<Row>(statement: Statement, values: readonly unknown[]): Promise<Row[]>
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<pg.QueryResult<Row>>
}

/** Runs `work` in one transaction; destroys a connection that does not respond. */
export async function transact<T>(db: Database, work: (client: BoundedClient) => Promise<T>): Promise<T> {
  if (!db.gate.isOpen) await db.gate.held
  const bound = { query_timeout: db.responseTimeoutMs, types: ENGINE_TYPES }
  return withTransaction(
    db.pool,
    (client) =>
      work({
        execute: async <Row>(statement: Statement, values: readonly unknown[]) =>
          (
            await client.query<Row & pg.QueryResultRow>({
              ...toQuery(db, db.schema.renameStatement(statement), values),
              types: ENGINE_TYPES,
            })
          ).rows,
        query: <Row extends pg.QueryResultRow>(text: string, values: unknown[] = []) =>
          client.query<Row>({ text: db.schema.rename(text), values, ...bound }),
      }),
    db.responseTimeoutMs,
  )
}

/**
 * An array literal of numbers or ids (letters, digits, `_`, `-`). `pg` would search each element for quotes, which is
 * most of the cost of short lists.
 */
export function plainArray(items: readonly (string | number)[]): string {
  return `{${items.join(',')}}`
}

/** An array literal of texts, for any driver. */
export function arrayLiteral(items: readonly (string | null)[]): string {
  const quoted = items.map((item) => (item === null ? 'NULL' : `"${item.replaceAll(/["\\]/g, '\\$&')}"`))
  return `{${quoted.join(',')}}`
}

interface SentQuery {
  readonly text: string
  readonly values: unknown[]
  readonly name: string | undefined
  readonly query_timeout: number
}

function toQuery(
  db: Database,
  { name, text }: { name?: string; text: string },
  values: readonly unknown[],
): SentQuery {
  return {
    text,
    values: [...values],
    name: db.prepared ? name : undefined,
    // A connection that loses packets reports no error for hours. Statements are guarded, so one that took effect all
    // the same does no harm when it is retried.
    query_timeout: db.responseTimeoutMs,
  }
}
