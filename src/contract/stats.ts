import { z } from 'zod'
import { MAX_EXACT_TOTAL } from './requests.ts'
import { instant, TASK_STATUSES, waitingFor } from './task.ts'

export type { TaskStats } from './views.ts'

const count = z.int().min(0)
const statusCounts = z.object(
  Object.fromEntries(TASK_STATUSES.map((status) => [status, count])) as Record<
    (typeof TASK_STATUSES)[number],
    typeof count
  >,
)

/** Numbers of tasks in the table, and waits. */
export const taskStats = z.object({
  byStatus: statusCounts,
  byType: z.array(
    statusCounts.extend({
      taskType: z.string(),
      waitingFor: waitingFor.describe(
        '`executor`: its tasks have been due for a second, and no live executor has registered it.',
      ),
    }),
  ),
  isCapped: z
    .boolean()
    .describe(
      `A type has more than ${MAX_EXACT_TOTAL} completed, failed or cancelled tasks; that count is ${MAX_EXACT_TOTAL}, and sums with it are minimums. All other counts are exact.`,
    ),
  oldestDueSeconds: z
    .number()
    .min(0)
    .nullable()
    .describe('Seconds that the oldest due task has waited; null if none waits.'),
  oldestClaimableSeconds: z
    .number()
    .min(0)
    .nullable()
    .optional()
    .describe(
      'The same without tasks that cannot start: those of paused types, and of types that no live executor has registered.',
    ),
  finishedPerMinute: z
    .array(z.object({ minute: instant, completed: count, failed: count, cancelled: count }))
    .describe('The last 60 minutes, oldest first; the last one is incomplete.'),
})
