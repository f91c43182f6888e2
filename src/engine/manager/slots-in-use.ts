import type { Overview } from '../../contract/overview.ts'
import type { ExecutorView } from '../../contract/task.ts'

/** A task may be running still in its row when its slot is free already. */
export function countSlots(executors: readonly ExecutorView[]): Overview['slots'] {
  const alive = executors.filter((one) => one.alive)
  return {
    used: alive.reduce((total, { runningTasks, slots }) => total + Math.min(runningTasks.length, slots), 0),
    all: alive.reduce((total, { slots }) => total + slots, 0),
  }
}
