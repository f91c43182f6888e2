import { type BulkRequest, type BulkResponse, MAX_BULK_TASKS } from '../../contract/bulk.ts'
import type { Database } from '../../db/database.ts'
import { bulkRequest, requireValid } from '../create/arguments.ts'
import type { Actor, AuditedChange } from '../definition/actor.ts'
import { TASK_ID } from '../definition/lifecycle.ts'
import { findActionable, findSteerable } from '../store/bulk.ts'
import { type RefusalCode, refusal, type Steered, type SteeringContext, steer } from './steering.ts'

export function runBulk(
  context: SteeringContext,
  request: BulkRequest,
  actor?: Actor,
): Promise<BulkResponse> {
  // Each task has an entry, so the call itself has none, unless it is refused.
  return context.audit.run(
    { actor, action: 'task.bulk', subject: null },
    async (change) => {
      requireValid('bulk request', bulkRequest, request)
      return change && !request.dryRun ? runAudited(context, request, change.actor) : run(context, request)
    },
    () => undefined,
  )
}

async function runAudited(
  context: SteeringContext,
  request: BulkRequest,
  actor: Actor,
): Promise<BulkResponse> {
  const change = { actor, action: `task.${request.action}`, subject: null } as const
  const response = await run(context, request, change)
  const results = response.results.map(({ taskId, code = 'ok' }) => ({ subject: taskId, outcome: code }))
  const [done, refused] = [true, false].map((isOk) =>
    results.filter(({ outcome }) => (outcome === 'ok') === isOk),
  )
  if (done?.length) context.audit.report(change, done)
  if (refused?.length) await context.audit.refuse(change, refused)
  return response
}

async function run(
  context: SteeringContext,
  request: BulkRequest,
  change?: AuditedChange,
): Promise<BulkResponse> {
  const { action, dryRun = false, restore } = request
  const { taskIds, more } = await findTargets(context.db, request)
  const possible = taskIds.filter((taskId) => TASK_ID.test(taskId))
  const { refused, wasPending } = dryRun
    ? await predict(context.db, request, possible)
    : await steer(context, action, possible, { restore, change })
  const results = taskIds.map((taskId) => {
    const code = TASK_ID.test(taskId) ? refused.get(taskId) : 'TASK_NOT_FOUND'
    if (code !== undefined) return { taskId, ok: false, code }
    return { taskId, ok: true, ...(wasPending.has(taskId) && { wasPending: true as const }) }
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
): Promise<Pick<Steered, 'refused' | 'wasPending'>> {
  const found = await findSteerable(db, taskIds)
  const refused = new Map(
    taskIds.flatMap((taskId): [string, RefusalCode][] => {
      const code = refusal(action, found.get(taskId))
      return code === undefined ? [] : [[taskId, code]]
    }),
  )
  const pending = taskIds.filter((taskId) => found.get(taskId)?.status === 'pending')
  return { refused, wasPending: new Set(action === 'cancel' ? pending : []) }
}
