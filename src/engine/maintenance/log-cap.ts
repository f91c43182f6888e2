import type { Database } from '../../db/database.ts'
import { isTransient } from '../../db/errors.ts'
import type { TaskEvents } from '../runtime/events.ts'
import { trimLog } from '../store/trim.ts'

/** Tasks whose lines are counted; of more, those are forgotten that have been silent the longest. */
const MAX_TASKS = 10_000
/** An attempt of such a number looks at once: counts are a process's own, and it may have begun since the last one. */
const LOOK_EACH_ATTEMPTS = 10

/**
 * Keeps the logs of tasks from growing for ever. It counts what it sees written; once that makes a tenth of what a log
 * may keep it looks at the whole log, and removes the oldest lines where there are too many.
 */
export class LogCap {
  readonly #db: Database
  readonly #events: TaskEvents
  readonly #maxLines: number
  /** Lines since the last look, the latest speaker last. */
  readonly #counts = new Map<string, number>()

  constructor(db: Database, events: TaskEvents, maxLines: number) {
    this.#db = db
    this.#events = events
    this.#maxLines = maxLines
  }

  /** Removes what is too much, after these lines. Never fails: what cannot be removed now will be after later lines. */
  async afterWrite(lines: readonly { taskId: string; attempt: number | null }[]): Promise<void> {
    const step = Math.ceil(this.#maxLines / 10)
    for (const { taskId, attempt } of lines) {
      const isLate = attempt !== null && attempt % LOOK_EACH_ATTEMPTS === 0
      const count = this.#counts.get(taskId) ?? (isLate ? step : 0)
      this.#counts.delete(taskId)
      this.#counts.set(taskId, count + 1)
    }
    for (const taskId of new Set(lines.map((line) => line.taskId))) {
      if ((this.#counts.get(taskId) ?? 0) >= step) await this.#trim(taskId)
    }
    for (const taskId of this.#counts.keys()) {
      if (this.#counts.size <= MAX_TASKS) break
      this.#counts.delete(taskId)
    }
  }

  async #trim(taskId: string): Promise<void> {
    try {
      await trimLog(this.#db, taskId, this.#maxLines)
      this.#counts.set(taskId, 0)
    } catch (error) {
      if (!isTransient(error)) this.#events.emit('writeFailed', { what: 'the cap of a log', error })
    }
  }
}
