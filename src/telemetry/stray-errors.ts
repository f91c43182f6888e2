import { describeError } from '../engine/definition/outcome.ts'
import { readThrown } from '../engine/definition/thrown.ts'
import { currentScrubber, currentTask } from '../engine/executor/attempt/running-task.ts'
import type { RunEvent } from '../engine/runtime/events.ts'
import { described } from './described.ts'
import type { Logger } from './logger.ts'

/**
 * Handles uncaught errors. One from a task's handler is logged, also in the task's log, and the process continues:
 * ending it would interrupt every other task, and rerun this one. Any other error leaves an unknown state: `onFatal`
 * ends the process.
 */
export function watchStrayErrors(options: {
  readonly log: Pick<Logger, 'error'>
  logToTask(run: RunEvent, message: string): Promise<void>
  onFatal(error: unknown, event: 'uncaughtException' | 'unhandledRejection'): void
}): void {
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      const run = currentTask()
      if (!run) return options.onFatal(error, event)
      const scrubber = currentScrubber()
      options.log.error({ ...run, ...described(error, scrubber) }, `${event}: a task left an error behind`)
      options
        .logToTask(run, `${event}: ${describeError(error, (thrown) => readThrown(thrown, scrubber))}`)
        .catch((err: unknown) =>
          options.log.error({ ...run, ...described(err) }, 'the error could not be written to the task'),
        )
    })
  }
}
