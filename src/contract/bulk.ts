import { z } from 'zod'
import { listTasksQuery } from './requests.ts'

/** Tasks that one bulk call may change. */
export const MAX_BULK_TASKS = 1_000

export const BULK_ACTIONS = ['cancel', 'retry', 'delete'] as const
export type BulkAction = (typeof BULK_ACTIONS)[number]

const taskFilter = listTasksQuery.pick({
  status: true,
  taskType: true,
  q: true,
  createdAfter: true,
  createdBefore: true,
})

export const bulkBody = z
  .strictObject({
    action: z.enum(BULK_ACTIONS),
    taskIds: z.array(z.string().min(1).max(50)).min(1).max(MAX_BULK_TASKS).exactOptional(),
    filter: taskFilter
      .exactOptional()
      .describe(
        'As in the list. The 1,000 newest that fit and allow the action; a retry takes completed tasks only where ' +
          'status names them.',
      ),
    dryRun: z.boolean().default(false).describe('Says what would happen, and changes nothing.'),
  })
  .refine((body) => (body.taskIds === undefined) !== (body.filter === undefined), {
    path: ['taskIds'],
    message: 'give either taskIds or filter',
  })
/** As a program may ask: without `dryRun` it is carried out. */
export type BulkRequest = Omit<z.output<typeof bulkBody>, 'dryRun'> & { dryRun?: boolean }

export const bulkAnswer = z.object({
  results: z.array(
    z.object({
      taskId: z.string(),
      ok: z.boolean(),
      code: z.string().optional().describe('Why not, such as TASK_ALREADY_FINISHED.'),
    }),
  ),
  more: z.boolean().describe('More tasks fit the filter than one call takes: call again.'),
})
export type BulkAnswer = z.output<typeof bulkAnswer>
