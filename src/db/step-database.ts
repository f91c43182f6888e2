import type pg from 'pg'
import { surviveBrokenConnections, withTransaction } from './client.ts'
import { type DrizzleDatabase, transactOverPool } from './drizzle-pool.ts'
import { codeOf, DEADLOCK, isOutage, SERIALIZATION_FAILURE } from './errors.ts'
import { drizzleClientOf, drizzleSessionOf, has, isPool, type Transaction } from './query-runner.ts'

/** A database in which a transaction can be opened: a `pg.Pool`, or a Drizzle database on node-postgres. */
export type StepDatabase = pg.Pool | DrizzleDatabase

/** What `StepDatabase` gives to the work of a transaction; undefined without a database. */
export type TransactionOf<Db> = Db extends pg.Pool
  ? pg.PoolClient
  : // biome-ignore lint/suspicious/noExplicitAny: as above
    Db extends { transaction(work: (tx: infer Tx) => any, ...rest: any[]): any }
    ? Tx
    : undefined

const EXPECTED =
  'must be a pg.Pool or a Drizzle database on node-postgres, in which the step opens its own transaction'

/** Why a value cannot be a step's database; undefined: it can. */
export function findStepDatabaseProblem(value: unknown): string | undefined {
  if (isPool(value)) return undefined
  if (!has(value, 'transaction')) return EXPECTED
  // Its end would be left to the caller.
  if (has(value, 'rollback')) return `${EXPECTED}; the one given is a transaction`
  const client = drizzleClientOf(value as object)
  return client === undefined || has(client, 'query') ? undefined : EXPECTED
}

/** Runs `work` in a transaction of its own. `responseTimeoutMs` bounds begin, commit and rollback, if over a pool. */
export async function transactIn(
  database: StepDatabase,
  work: (tx: Transaction) => Promise<void>,
  responseTimeoutMs: number,
): Promise<void> {
  const session = drizzleSessionOf(database)
  const pool = isPool(database) ? database : drizzleClientOf(database)
  if (isPool(pool)) surviveBrokenConnections(pool)
  if (isPool(database)) await withTransaction(database, work, responseTimeoutMs)
  else if (session && isPool(pool)) {
    await transactOverPool(database, { session, pool }, work, responseTimeoutMs)
  } else if (typeof pool === 'object' && pool !== null) {
    await inTurn(pool, () => database.transaction(work))
  } else await database.transaction(work)
}

/** The end of the last transaction of a client, on which those of several tasks would be one. */
const turns = new WeakMap<object, Promise<unknown>>()

function inTurn<T>(client: object, work: () => Promise<T>): Promise<T> {
  const turn = (turns.get(client) ?? Promise.resolve()).then(work, work)
  turns.set(client, turn)
  return turn
}

/** The transaction had no effect, or it is not known whether it had: an outage, or a conflict with another one. */
export function mayBeRepeated(error: unknown): boolean {
  return isOutage(error) || [SERIALIZATION_FAILURE, DEADLOCK].includes(codeOf(error) ?? '')
}
