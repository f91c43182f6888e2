import type { Database } from '../../src/db/database.ts'
import { type ClaimedTask, Claims } from '../../src/engine/store/claim.ts'

/** Claims everything that is due, of types without limits, so many at a time. */
export function createClaims(
  db: Database,
  executorId: string,
  taskTypes: readonly string[],
): (limit: number) => Promise<ClaimedTask[]> {
  const unlimited = { concurrency: null, globalConcurrency: null, keyed: false }
  const types = taskTypes.map((taskType) => ({ taskType, ...unlimited }))
  const claims = new Claims(db, executorId, types)
  const all = types.map(() => null)
  return async (limit) => (await claims.claim({ limit, capacity: all, since: all })).tasks
}

/** One such claim. */
export function claimTasks(
  db: Database,
  executorId: string,
  taskTypes: readonly string[],
  limit: number,
): Promise<ClaimedTask[]> {
  return createClaims(db, executorId, taskTypes)(limit)
}
