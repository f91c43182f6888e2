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

/** Then the dead, those that died last first: they stay in the list for a day. */
export function aliveFirst(executors: readonly ExecutorView[] = []): readonly ExecutorView[] {
  const dead = executors.filter(({ alive }) => !alive).sort((a, b) => a.heartbeatAgeMs - b.heartbeatAgeMs)
  return [...executors.filter(({ alive }) => alive), ...dead]
}
