import type { Database } from '../../db/database.ts'
import { isTransient } from '../../db/errors.ts'
import type { TaskEvents } from '../runtime/events.ts'
import { trimLog } from '../store/trim.ts'

const MAX_TASKS = 10_000
/** Counts are per process, so every tenth attempt checks the log at once. */
const CHECK_EVERY_ATTEMPTS = 10

/** Bounds the logs of tasks: checks a log after each tenth of its limit and deletes the oldest lines. */
export class LogCap {
  readonly #db: Database
  readonly #events: TaskEvents
  readonly #maxLines: number
  readonly #counts = new Map<string, number>()

  constructor(db: Database, events: TaskEvents, maxLines: number) {
    this.#db = db
    this.#events = events
    this.#maxLines = maxLines
  }

  /** Never fails: what cannot be deleted now is deleted after later lines. */
  async afterWrite(lines: readonly { taskId: string; attempt: number | null }[]): Promise<void> {
    const step = Math.ceil(this.#maxLines / 10)
    for (const { taskId, attempt } of lines) {
      const isCheckDue = attempt !== null && attempt % CHECK_EVERY_ATTEMPTS === 0
      const count = this.#counts.get(taskId) ?? (isCheckDue ? step : 0)
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
