import { AsyncLocalStorage } from 'node:async_hooks'
import type { Scrubber } from '../../definition/scrubber.ts'
import type { RunEvent } from '../../runtime/events.ts'

export interface RunningTask {
  readonly event: RunEvent
  /** Undefined where the type hides nothing. */
  readonly scrubber?: Scrubber | undefined
}

/** Set in a handler, its timers and listeners, and in promises that it left behind. */
export const runningTask = new AsyncLocalStorage<RunningTask>()

/**
 * The attempt whose handler, timer or promise is executing now; undefined outside of handlers. Use it in your handlers of
 * `uncaughtException` and `unhandledRejection` to name the task that caused the error.
 */
export function currentTask(): RunEvent | undefined {
  return runningTask.getStore()?.event
}

/** Redacts the secrets of the run that executes now. */
export function currentScrubber(): Scrubber | undefined {
  return runningTask.getStore()?.scrubber
}
