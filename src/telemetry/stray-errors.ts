import { describeError } from '../engine/definition/outcome.ts'
import { readThrown } from '../engine/definition/thrown.ts'
import { currentScrubber, currentTask } from '../engine/executor/attempt/running-task.ts'
import type { RunEvent } from '../engine/runtime/events.ts'
import { described } from './described.ts'
import type { Logger } from './logger.ts'

/**
 * What a process does about errors that nobody caught: a rejection, or a throw in a timer.
 *
 * One that a task's handler left behind is named, logged and written to the task's own log, and the process goes on:
 * ending it would interrupt every other task, and hand this one back only to do the same again. Any other one has
 * left the process in an unknown state, and `onFatal` ends it.
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
