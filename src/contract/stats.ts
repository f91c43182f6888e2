import { z } from 'zod'
import { instant, TASK_STATUSES, waitingFor } from './task.ts'

const count = z.int().min(0)
const statusCounts = z.object(
  Object.fromEntries(TASK_STATUSES.map((status) => [status, count])) as Record<
    (typeof TASK_STATUSES)[number],
    typeof count
  >,
)

/** How the whole table stands. */
export const taskStats = z.object({
  byStatus: statusCounts,
  byType: z.array(
    statusCounts.extend({
      taskType: z.string(),
      waitingFor: waitingFor.describe(
        'Tasks of it have been due for a second, and no living executor has registered it.',
      ),
    }),
  ),
  /** Large counts of finished tasks are estimated: counting them would read the whole history. */
  isEstimate: z.boolean().describe('Counts of finished tasks are estimates.'),
  oldestDueSeconds: z
    .number()
    .min(0)
    .nullable()
    .describe('How long the oldest due task has waited; null when none waits.'),
  oldestClaimableSeconds: z
    .number()
    .min(0)
    .nullable()
    .optional()
    .describe(
      'The same without tasks that cannot start: those of paused types, and of types that no living executor has registered.',
    ),
  finishedPerMinute: z
    .array(z.object({ minute: instant, completed: count, failed: count, cancelled: count }))
    .describe('The last 60 minutes, oldest first; the last one is still going on.'),
})
export type TaskStats = z.output<typeof taskStats>
