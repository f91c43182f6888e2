import { AsyncLocalStorage } from 'node:async_hooks'
import type { Scrubber } from '../../definition/scrubber.ts'
import type { RunEvent } from '../../runtime/events.ts'

export interface RunningTask {
  readonly event: RunEvent
  /** Undefined where the type hides nothing. */
  readonly scrubber?: Scrubber | undefined
}

/** Of the handler that is executing now, its timers, listeners and the promises that it left behind. */
export const runningTask = new AsyncLocalStorage<RunningTask>()

/**
 * The run whose handler, or whose timers and stray promises, is executing now; undefined outside of any. A process's
 * handlers of `uncaughtException` and `unhandledRejection` can name the task at fault with it.
 */
export function currentTask(): RunEvent | undefined {
  return runningTask.getStore()?.event
}

/** Hides the secrets of the run that is executing now. */
export function currentScrubber(): Scrubber | undefined {
  return runningTask.getStore()?.scrubber
}
