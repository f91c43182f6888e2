import { type SQL, sql } from 'drizzle-orm'

/** Anything that runs SQL inside an open transaction, such as a `pg` client. */
export interface QueryRunner {
  query(text: string, values?: unknown[]): Promise<{ rows: unknown[] }>
}

/** A Drizzle transaction on node-postgres, whatever schema it was made with. */
export interface DrizzleTransaction {
  execute(query: SQL): PromiseLike<{ rows: unknown[] }>
}

/** A transaction of the caller's: Drizzle's, a `pg` client in one, or anything with `query(text, values)`. */
export type Transaction = QueryRunner | DrizzleTransaction

/** Runs a statement with `$n` parameters in the caller's transaction. */
export async function runIn(tx: Transaction, text: string, values: unknown[]): Promise<unknown[]> {
  // Drizzle has a `query` too, but it is an object of relational queries.
  if ('query' in tx && typeof tx.query === 'function') return (await tx.query(text, values)).rows
  if ('execute' in tx && typeof tx.execute === 'function')
    return (await tx.execute(toDrizzle(text, values))).rows
  throw new TypeError(`tx ${NO_TRANSACTION}`)
}

const NO_TRANSACTION = 'must be a Drizzle transaction, a pg client, or have query(text, values)'

/** Why a value cannot run statements; undefined when it can. */
export function findTransactionProblem(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return NO_TRANSACTION
  const runs = ['query', 'execute'].some((name) => typeof Reflect.get(value, name) === 'function')
  return runs ? undefined : NO_TRANSACTION
}

/** Every `$n` becomes a bound parameter of Drizzle's; arrays stay one parameter each. */
function toDrizzle(text: string, values: unknown[]): SQL {
  const parts = text
    .split(/\$(\d+)/)
    .map((part, i) => (i % 2 === 0 ? sql.raw(part) : sql`${sql.param(values[Number(part) - 1])}`))
  return sql.join(parts)
}
