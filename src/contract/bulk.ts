import { z } from 'zod'
import type { BulkAction } from './given.ts'
import { listTasksQuery } from './requests.ts'

export type { BulkAction, BulkRequest, BulkResponse } from './given.ts'

/** Tasks that one bulk call may change. */
export const MAX_BULK_TASKS = 1_000

export const BULK_ACTIONS = ['cancel', 'retry', 'delete'] as const satisfies readonly BulkAction[]

/** A condition of a request, and its error message. */
export const RESTORES_BY_RETRY: [
  check: (body: { action: BulkAction; restore?: boolean | undefined }) => boolean,
  problem: { path: string[]; message: string },
] = [
  ({ action, restore }) => restore !== true || action === 'retry',
  { path: ['restore'], message: "is only for action: 'retry'" },
]

const taskFilter = listTasksQuery.pick({
  status: true,
  taskType: true,
  q: true,
  createdAfter: true,
  createdBefore: true,
  createdBy: true,
  errorGroup: true,
})

export const bulkBody = z
  .strictObject({
    action: z.enum(BULK_ACTIONS),
    taskIds: z.array(z.string().min(1).max(50)).min(1).max(MAX_BULK_TASKS).exactOptional(),
    filter: taskFilter
      .exactOptional()
      .describe(
        'As in the list. Selects the newest 1,000 tasks that match and allow the action; a retry includes completed ' +
          'tasks only if status lists them.',
      ),
    dryRun: z.boolean().default(false).describe('Returns what would happen and changes nothing.'),
    restore: z
      .boolean()
      .exactOptional()
      .describe(
        'With `retry`: a cancelled task keeps its due time, used retries, error and expiry, which undoes the cancel of a pending one.',
      ),
  })
  .refine((body) => (body.taskIds === undefined) !== (body.filter === undefined), {
    path: ['taskIds'],
    message: 'give either taskIds or filter',
  })
  .refine(...RESTORES_BY_RETRY)

export const bulkAnswer = z.object({
  results: z.array(
    z.object({
      taskId: z.string(),
      ok: z.boolean(),
      code: z.string().optional().describe('Why the action failed, such as TASK_ALREADY_FINISHED.'),
      wasPending: z
        .literal(true)
        .optional()
        .describe('It was pending when this call cancelled it: a `retry` with `restore` undoes that.'),
    }),
  ),
  more: z.boolean().describe('Another call would find more tasks that match the filter.'),
})
