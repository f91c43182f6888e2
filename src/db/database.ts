import { createHash } from 'node:crypto'
import { drizzle, type NodePgDatabase } from 'drizzle-orm/node-postgres'
import type pg from 'pg'

/** Where the engine's statements run. */
export interface Database {
  readonly pool: pg.Pool
  /** For queries whose shape depends on the caller: filters, pages. */
  readonly orm: NodePgDatabase
  /** False behind a pooler that does not keep prepared statements. */
  readonly prepared: boolean
  /** Until an answer that does not come counts as a broken connection. */
  readonly answerTimeoutMs: number
}

export function createDatabase(
  pool: pg.Pool,
  { prepared, answerTimeoutMs = 30_000 }: { prepared: boolean; answerTimeoutMs?: number },
): Database {
  return { pool, orm: drizzle(pool), prepared, answerTimeoutMs }
}

/** A fixed SQL text, prepared once a connection under a name of its own. */
export interface Statement {
  readonly name: string
  readonly text: string
}

/**
 * Names carry a hash of their text: `pg` refuses one name for two texts, and two versions of this package
 * may share a host's pool.
 */
export function statement(name: string, text: string): Statement {
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 10)
  return { name: `tasks_${name}_${hash}`, text }
}

export async function execute<Row>(
  db: Database,
  { name, text }: Statement,
  values: readonly unknown[],
): Promise<Row[]> {
  const query = {
    text,
    values: [...values],
    ...(db.prepared ? { name } : {}),
    // A connection whose packets vanish gives no error for hours. The pool destroys it when this has passed; every
    // statement here is guarded, so one that was carried out all the same does no harm when it is tried again.
    query_timeout: db.answerTimeoutMs,
  }
  // The rows' shape is what the statement's own select or returning list says.
  const answer = await db.pool.query<Row & pg.QueryResultRow>(query)
  return answer.rows
}
