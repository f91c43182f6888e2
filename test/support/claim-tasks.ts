import type { Database } from '../../src/db/database.ts'
import { type ClaimedTask, Claims } from '../../src/tasks/store/claim.ts'

/** One claim of everything that is due, of types without limits. */
export async function claimTasks(
  db: Database,
  executorId: string,
  taskTypes: readonly string[],
  limit: number,
): Promise<ClaimedTask[]> {
  const unlimited = { concurrency: null, globalConcurrency: null, keyed: false }
  const claims = new Claims(
    db,
    executorId,
    taskTypes.map((taskType) => ({ taskType, ...unlimited })),
  )
  const answer = await claims.claim({
    limit,
    places: taskTypes.map(() => null),
    since: taskTypes.map(() => null),
  })
  return answer.tasks
}
