import type { TaskStatus } from '../../contract/task.ts'

export type { AttemptOutcome, LogLevel, TaskStatus } from '../../contract/task.ts'

export const TASK_ID = /^task_[A-Za-z0-9]{1,45}$/

/** A task can be claimed with this attempt number, but fails instead of running. */
export const LAST_ATTEMPT = 2_147_483_647

export function isFinished(status: TaskStatus): boolean {
  return status !== 'pending' && status !== 'running'
}

/** floor(100 × progress / total); 0 when total is 0; 100 when completed. */
export function percentOf(status: TaskStatus, progress: number, total: number): number {
  if (status === 'completed') return 100
  return total === 0 ? 0 : Math.floor((100 * progress) / total)
}
