import type pg from 'pg'
import { withTransaction } from '../../db/client.ts'
import { codeOf } from '../../db/errors.ts'
import type { TaskContext } from '../../engine/definition/context.ts'

/** Serialization failure and deadlock: nothing was written, and the same work goes through when tried again. */
const CONFLICTS = new Set(['40001', '40P01'])
const MAX_TRIES = 5

/** How many rows a unit made, changed, and left as they were. */
export interface WriteCounts {
  readonly created: number
  readonly updated: number
  readonly skipped: number
}

/**
 * Commits one unit of work: a board, a chunk of stocks, a trading day.
 *
 * The fence is checked and locked before anything is written, so that a run that has lost its task (cancelled,
 * timed out, taken over) writes nothing any more.
 *
 * @throws TaskError `TASK_LOST`
 */
export async function writeUnit<T>(
  pool: pg.Pool,
  ctx: TaskContext,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await withTransaction(pool, async (client) => {
        await ctx.guard(client)
        return work(client)
      })
    } catch (error) {
      // Statements lock rows in the order of their keys, so a conflict takes another program to come about.
      if (tries === MAX_TRIES || !CONFLICTS.has(codeOf(error) ?? '')) throw error
      ctx.log.debug('write conflict, trying again', { tries })
    }
  }
}
