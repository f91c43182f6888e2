import { AsyncLocalStorage } from 'node:async_hooks'
import type { Scrubber } from '../../definition/scrubber.ts'
import type { RunEvent } from '../../runtime/events.ts'

export interface RunningTask {
  readonly event: RunEvent
  readonly scrubber?: Scrubber | undefined
}

/** Set in a handler, its timers, listeners and promises. */
export const runningTask = new AsyncLocalStorage<RunningTask>()

/**
 * Returns the attempt whose handler, timer or promise is executing now; undefined outside of handlers. Call it in your
 * listeners of `uncaughtException` and `unhandledRejection` to name the task that caused an error.
 */
export function currentTask(): RunEvent | undefined {
  return runningTask.getStore()?.event
}

export function currentScrubber(): Scrubber | undefined {
  return runningTask.getStore()?.scrubber
}
