import type { TaskStatus } from '../client/index.ts'

/** In the order of a task's life. The contract's own list would bring zod along. */
export const TASK_STATUSES = [
  'pending',
  'running',
  'completed',
  'failed',
  'cancelled',
] as const satisfies readonly TaskStatus[]
