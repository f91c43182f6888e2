import type { ExecutorView, TaskStats } from '../../client/index.ts'

/** Of the tasks that could start, in seconds; a server of an earlier version does not leave out the others. */
export function oldestWait(stats: TaskStats | undefined): number | null {
  const { oldestDueSeconds = null, oldestClaimableSeconds = oldestDueSeconds } = stats ?? {}
  return oldestClaimableSeconds
}

/** A task may be running still in its row when its slot is free already. */
export function countSlots(executors: readonly ExecutorView[]): { used: number; all: number } {
  return {
    used: executors.reduce((sum, one) => sum + Math.min(one.runningTasks.length, one.slots), 0),
    all: executors.reduce((sum, one) => sum + one.slots, 0),
  }
}
