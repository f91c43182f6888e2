import { AsyncLocalStorage } from 'node:async_hooks'
import type { RunEvent } from '../events.ts'

export const runningTask = new AsyncLocalStorage<RunEvent>()

/**
 * The run whose handler, or whose timers and stray promises, is executing now; undefined outside of any. A process's
 * handlers of `uncaughtException` and `unhandledRejection` can name the task at fault with it.
 */
export function currentTask(): RunEvent | undefined {
  return runningTask.getStore()
}
