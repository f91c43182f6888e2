import { type BulkAnswer, type BulkRequest, MAX_BULK_TASKS } from '../../contract/bulk.ts'
import type { Database } from '../../db/database.ts'
import { bulkRequest, requireValid } from '../create/arguments.ts'
import { TASK_ID } from '../definition/lifecycle.ts'
import { findActionable, findSteerable } from '../store/bulk.ts'
import { type RefusalCode, refusal, type SteeringContext, steer } from './steering.ts'

export async function runBulk(context: SteeringContext, request: BulkRequest): Promise<BulkAnswer> {
  requireValid('bulk request', bulkRequest, request)
  const { action, dryRun = false } = request
  const { taskIds, more } = await findTargets(context.db, request)
  const possible = taskIds.filter((taskId) => TASK_ID.test(taskId))
  const refused = dryRun
    ? await predict(context.db, request, possible)
    : (await steer(context, action, possible)).refused
  const results = taskIds.map((taskId) => {
    const code = TASK_ID.test(taskId) ? refused.get(taskId) : 'TASK_NOT_FOUND'
    return code === undefined ? { taskId, ok: true } : { taskId, ok: false, code }
  })
  return { results, more }
}

async function findTargets(
  db: Database,
  { action, taskIds, filter = {} }: BulkRequest,
): Promise<{ taskIds: string[]; more: boolean }> {
  if (taskIds) return { taskIds: [...new Set(taskIds)], more: false }
  // One more than the limit shows whether another call would find any.
  const found = await findActionable(db, action, filter, MAX_BULK_TASKS + 1)
  return { taskIds: found.slice(0, MAX_BULK_TASKS), more: found.length > MAX_BULK_TASKS }
}

/** Predicts refusals, except of locked rows. */
async function predict(
  db: Database,
  { action }: BulkRequest,
  taskIds: readonly string[],
): Promise<Map<string, RefusalCode>> {
  const found = await findSteerable(db, taskIds)
  return new Map(
    taskIds.flatMap((taskId): [string, RefusalCode][] => {
      const code = refusal(action, found.get(taskId))
      return code === undefined ? [] : [[taskId, code]]
    }),
  )
}
