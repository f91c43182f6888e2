import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import { TaskError } from '../engine/definition/errors.ts'
import { queryPool, withTransaction } from './client.ts'
import { codeOf, SERIALIZATION_FAILURE } from './errors.ts'
import { Gate } from './gate.ts'
import { ENGINE_TYPES } from './reading.ts'

/** Where the engine's statements run. */
export interface Database {
  readonly pool: pg.Pool
  /** False behind a pooler that does not keep prepared statements. */
  readonly prepared: boolean
  /** Until an answer that does not come counts as a broken connection. */
  readonly answerTimeoutMs: number
  readonly gate: Gate
}

export function createDatabase(
  pool: pg.Pool,
  {
    prepared,
    answerTimeoutMs = 30_000,
    gate = new Gate(),
  }: { prepared: boolean; answerTimeoutMs?: number; gate?: Gate },
): Database {
  return { pool, prepared, answerTimeoutMs, gate }
}

/**
 * The same database, which keeps plans only while `areSound` says so. A plan that is kept suits the tables as they were:
 * of small ones it may be a scan, which would stay, while they grow, until the next analysis.
 */
export function keepPlansWhile(db: Database, areSound: () => boolean): Database {
  return {
    ...db,
    get prepared() {
      return db.prepared && areSound()
    },
  }
}

/** A fixed SQL text, prepared once a connection under a name of its own. */
export interface Statement {
  readonly name: string
  readonly text: string
}

/**
 * Names carry a hash of their text: `pg` refuses one name for two texts, and two versions of this package
 * may share a host's pool. The text carries its name too, so that it can be told in the server's own views and logs.
 */
export function statement(name: string, text: string): Statement {
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 10)
  return { name: `tasks_${name}_${hash}`, text: `/* tasks_${name} */ ${text}` }
}

/** Runs a statement; the rows' shape is what its own select or returning list says. */
export async function execute<Row>(
  db: Database,
  statement: Statement,
  values: readonly unknown[],
): Promise<Row[]> {
  return run<Row>(db, toQuery(db, statement, values))
}

/** Runs a text that is planned anew for its values each time: its shape depends on the caller. */
export async function query<Row>(db: Database, text: string, values: readonly unknown[]): Promise<Row[]> {
  return run<Row>(db, toQuery(db, { text }, values))
}

/** A host's pool may run its statements under a stricter isolation than the engine's own connections. */
const MAX_CONFLICTS = 20
/** A table, a column or the schema is not there. */
const MISSING: ReadonlySet<string> = new Set(['42P01', '42703', '3F000'])

async function run<Row>(db: Database, { text, values, ...options }: SentQuery): Promise<Row[]> {
  if (!db.gate.isOpen) await db.gate.held
  for (let conflicts = 0; ; conflicts += 1) {
    try {
      return (await queryPool<Row & pg.QueryResultRow>(db.pool, text, values, options)).rows
    } catch (error) {
      // A statement is a transaction of its own here, so nothing of it has taken effect.
      if (codeOf(error) !== SERIALIZATION_FAILURE || conflicts === MAX_CONFLICTS) throw missingTables(error)
      await delay(Math.random() * conflicts * 5)
    }
  }
}

/** Of statements that are fixed, only a schema that is not theirs makes these errors. */
function missingTables(error: unknown): unknown {
  if (!MISSING.has(codeOf(error) ?? '')) return error
  const message = `the database lacks tables or columns of the engine: apply its migrations first (${(error as Error).message})`
  return new TaskError('MIGRATION_FAILED', message, { cause: error })
}

/** A transaction's connection, on which no statement waits for its answer for longer than the database says. */
export interface BoundedClient {
  execute<Row>(statement: Statement, values: readonly unknown[]): Promise<Row[]>
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<pg.QueryResult<Row>>
}

/** Runs `work` inside one transaction; a connection that no longer answers is destroyed. */
export async function transact<T>(db: Database, work: (client: BoundedClient) => Promise<T>): Promise<T> {
  if (!db.gate.isOpen) await db.gate.held
  const bound = { query_timeout: db.answerTimeoutMs, types: ENGINE_TYPES }
  return withTransaction(
    db.pool,
    (client) =>
      work({
        execute: async <Row>(statement: Statement, values: readonly unknown[]) =>
          (
            await client.query<Row & pg.QueryResultRow>({
              ...toQuery(db, statement, values),
              types: ENGINE_TYPES,
            })
          ).rows,
        query: <Row extends pg.QueryResultRow>(text: string, values: unknown[] = []) =>
          client.query<Row>({ text, values, ...bound }),
      }),
    db.answerTimeoutMs,
  )
}

/**
 * A list of numbers, or of ids that are made of letters, digits, `_` and `-` alone, as PostgreSQL reads an array. `pg`
 * would look for quotes in each element, which for short lists of many statements is most of their cost.
 */
export function plainArray(items: readonly (string | number)[]): string {
  return `{${items.join(',')}}`
}

/** A list of texts as PostgreSQL reads an array, whatever driver sends it. */
export function arrayLiteral(items: readonly (string | null)[]): string {
  const quoted = items.map((item) => (item === null ? 'NULL' : `"${item.replaceAll(/["\\]/g, '\\$&')}"`))
  return `{${quoted.join(',')}}`
}

interface SentQuery {
  readonly text: string
  readonly values: unknown[]
  readonly name?: string
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
    ...(db.prepared && name !== undefined ? { name } : {}),
    // A connection whose packets vanish gives no error for hours. The pool destroys it when this has passed; every
    // statement here is guarded, so one that was carried out all the same does no harm when it is tried again.
    query_timeout: db.answerTimeoutMs,
  }
}
