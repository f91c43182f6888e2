import type { LogLevel } from '../../contract/task.ts'
import type { Database } from '../../db/database.ts'
import { logLine, progressReport, requireValid } from '../create/arguments.ts'
import { taskNotFound } from '../definition/errors.ts'
import { TASK_ID } from '../definition/lifecycle.ts'
import { toStorable } from '../definition/outcome.ts'
import type { LogCap } from '../maintenance/log-cap.ts'
import { orBusy } from '../runtime/busy.ts'
import { appendLogs, updateProgress } from '../store/output.ts'

const MAX_STEP_CHARS = 200
const MAX_MESSAGE_CHARS = 10_000

/** Output that does not come from the task's handler. */
export class ExternalOutput {
  readonly #db: Database
  readonly #logCap: LogCap

  constructor(db: Database, logCap: LogCap) {
    this.#db = db
    this.#logCap = logCap
  }

  /** Returns false if the task is not running or does not exist. @throws TaskError `TASK_BUSY`, `INVALID_ARGUMENT` */
  async report(taskId: string, current: number, total?: number, step?: string): Promise<boolean> {
    requireValid('progress', progressReport, { current, total, step })
    const progress = {
      current,
      total: total ?? null,
      step: step === undefined ? null : toStorable(step.slice(0, MAX_STEP_CHARS)),
    }
    if (!TASK_ID.test(taskId)) return false
    return orBusy('TASK_BUSY', taskId, updateProgress(this.#db, taskId, progress))
  }

  async log(taskId: string, level: LogLevel, message: string): Promise<void> {
    requireValid('log line', logLine, { level, message })
    const line = {
      taskId,
      attempt: null,
      level,
      message: toStorable(message.slice(0, MAX_MESSAGE_CHARS)),
      data: null,
      ageMs: 0,
    }
    if (!TASK_ID.test(taskId)) throw taskNotFound(taskId)
    let appended = await appendLogs(this.#db, [line])
    if (appended.locked.size > 0) {
      appended = await orBusy('TASK_BUSY', taskId, appendLogs(this.#db, [line], 'wait'))
    }
    if (appended.written.size === 0) throw taskNotFound(taskId)
    await this.#logCap.afterWrite([line])
  }
}
