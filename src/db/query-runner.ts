import { type SQL, sql } from 'drizzle-orm'
import type pg from 'pg'
import { TaskError } from '../engine/definition/errors.ts'
import { TASKS } from '../engine/store/tables.ts'
import type { EngineSchema } from './engine-schema.ts'
import { codeOf, isOutage } from './errors.ts'
import { ENGINE_TYPES } from './reading.ts'

/** An object that runs SQL inside an open transaction, such as a `pg` client. */
export interface QueryRunner {
  /** Sends one statement with `$n` parameters. */
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>
}

/** A Drizzle transaction on node-postgres, with any schema. */
export interface DrizzleTransaction {
  /**
   * Takes Drizzle's SQL, whose type hosts without Drizzle do not have. Returns one result: in the types of Drizzle 1.0,
   * a query of several statements returns several.
   */
  execute(query: never): PromiseLike<{ rows: unknown[] } | { rows: unknown[] }[]>
}

/** Your open transaction: Drizzle's, a `pg` client's, or any object with `query(text, values)`. */
export type Transaction = QueryRunner | DrizzleTransaction

/** A caller's transaction, and the schema of the tables there. */
export interface CallersTransaction {
  readonly tx: Transaction
  readonly schema: EngineSchema
}

/** Runs a statement with `$n` parameters in the caller's transaction. `timeoutMs`: for `pg` clients, Drizzle's too. */
export async function runIn(
  on: CallersTransaction,
  text: string,
  values: unknown[],
  timeoutMs?: number,
): Promise<unknown[]> {
  return rowsOf(await send(on, text, values, timeoutMs))
}

function send(
  { tx, schema }: CallersTransaction,
  text: string,
  values: unknown[],
  timeoutMs?: number,
): PromiseLike<unknown> {
  const client = timeoutMs === undefined || isClient(tx) ? tx : drizzleClientOf(tx)
  if (isClient(client)) {
    const config = { text: schema.rename(text), values, types: ENGINE_TYPES }
    // The driver knows it; its types do not.
    return client.query(
      timeoutMs === undefined ? config : Object.assign(config, { query_timeout: timeoutMs }),
    )
  }
  // Drizzle's `query` is an object of relational queries.
  if ('query' in tx && typeof tx.query === 'function') return tx.query(schema.rename(text), values)
  if ('execute' in tx && typeof tx.execute === 'function')
    return tx.execute(toDrizzle(schema, text, values) as never)
  throw refuse(NO_TRANSACTION)
}

function rowsOf(result: unknown): unknown[] {
  const rows = typeof result === 'object' && result !== null ? Reflect.get(result, 'rows') : undefined
  if (!Array.isArray(rows)) throw refuse(`${NO_TRANSACTION}; the one given does not return { rows }`)
  return rows
}

const NO_TRANSACTION =
  'must be a transaction: a pg client between begin and commit, the tx of Drizzle on node-postgres, ' +
  'or an object in one with query(text, values) that resolves to { rows }'

const AUTOCOMMITS = `${NO_TRANSACTION}; the one given is in no transaction, and would commit by itself`

/** Why a value cannot be a transaction, by its shape; undefined: it can. */
export function findTransactionProblem(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return NO_TRANSACTION
  const runs = ['query', 'execute'].some((name) => typeof Reflect.get(value, name) === 'function')
  if (!runs) return NO_TRANSACTION
  return isPool(value) || isPool(drizzleClientOf(value)) ? AUTOCOMMITS : undefined
}

// Allowed only in a transaction, takes no lock that the next statement does not take, returns no rows.
const PROBE = `lock table ${TASKS} in access share mode`
const NO_ACTIVE_TRANSACTION = '25P01'

/**
 * Refuses a `tx` that is in no transaction: the statement would commit by itself. The driver knows the state after each
 * response; otherwise, as with a `begin` in flight, it is queried.
 *
 * @throws TaskError `INVALID_ARGUMENT`, before anything is written
 */
export async function requireTransaction(on: CallersTransaction): Promise<void> {
  const { tx } = on
  const problem = findTransactionProblem(tx)
  if (problem !== undefined) throw refuse(problem)
  const client = isClient(tx) ? tx : drizzleClientOf(tx)
  // `E`: the transaction has failed; the statement's own error reports that.
  if (isClient(client) && ['T', 'E'].includes(client.getTransactionStatus() ?? '')) return
  try {
    await runIn(on, PROBE, [])
  } catch (error) {
    if (codeOf(error) === NO_ACTIVE_TRANSACTION) throw refuse(AUTOCOMMITS, error)
    // An error without a code is not PostgreSQL's: the object does not run SQL.
    if (codeOf(error) === undefined && !isOutage(error)) throw refuse(NO_TRANSACTION, error)
    throw error
  }
}

function refuse(detail: string, cause?: unknown): TaskError {
  return new TaskError('INVALID_ARGUMENT', `tx ${detail}`, {
    cause,
    problems: [{ pointer: '/tx', detail }],
  })
}

function isClient(value: unknown): value is pg.ClientBase {
  return has(value, 'getTransactionStatus') && has(value, 'query')
}

export function isPool(value: unknown): value is pg.Pool {
  return has(value, 'connect') && has(value, 'query') && 'totalCount' in (value as object)
}

export function has(value: unknown, method: string): boolean {
  return typeof value === 'object' && value !== null && typeof Reflect.get(value, method) === 'function'
}

/** Drizzle's node-postgres client. */
export function drizzleClientOf(tx: object): unknown {
  const session = drizzleSessionOf(tx)
  return session ? Reflect.get(session, 'client') : undefined
}

export function drizzleSessionOf(tx: object): object | undefined {
  const session: unknown = Reflect.get(tx, 'session') ?? Reflect.get(Reflect.get(tx, '_') ?? {}, 'session')
  return typeof session === 'object' && session !== null ? session : undefined
}

/** Binds each `$n`; an array stays one parameter. The schema comes after: its name may look like a parameter. */
function toDrizzle(schema: EngineSchema, text: string, values: unknown[]): SQL {
  const parts = text
    .split(/\$(\d+)/)
    .map((part, i) =>
      i % 2 === 0 ? sql.raw(schema.rename(part)) : sql`${sql.param(values[Number(part) - 1])}`,
    )
  return sql.join(parts)
}
