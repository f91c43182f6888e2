import type { TaskStatus } from '../../contract/task.ts'

export type { AttemptOutcome, LogLevel, TaskStatus } from '../../contract/task.ts'

/** Task ids are `task_` and letters or digits; nothing else can name a row. */
export const TASK_ID = /^task_[A-Za-z0-9]{1,45}$/

/** The last number of an attempt: a task can be claimed with it, but is failed and not run. */
export const LAST_ATTEMPT = 2_147_483_647

/** Completed, failed or cancelled: only an operator's retry leads out of it. */
export function isFinished(status: TaskStatus): boolean {
  return status !== 'pending' && status !== 'running'
}

/** floor(100 × progress / total); 0 when total is 0; 100 when completed. */
export function percentOf(status: TaskStatus, progress: number, total: number): number {
  if (status === 'completed') return 100
  return total === 0 ? 0 : Math.floor((100 * progress) / total)
}
