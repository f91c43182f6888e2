import type { Database } from '../../db/database.ts'
import { isTransient } from '../../db/errors.ts'
import type { RunEvent, TaskEvents } from '../runtime/events.ts'
import { within } from '../runtime/timeouts.ts'
import { reportChanges } from '../store/changes.ts'

const UNWATCHED_MS = 1_000
const WATCHED_MS = 200
const BATCH = 500
/** Kept during an outage, the newest ones: it disconnects viewers anyway. */
const MAX_UNREPORTED = 100_000
const STOP_MS = 1_000

/**
 * Reports ended, cancelled and released runs of this process to processes that stream all tasks: polls miss a run that
 * starts and ends between them. Operators' statements report their changes themselves (`store/changes.ts`).
 */
export class ChangeReporter {
  readonly #db: Database
  readonly #events: TaskEvents
  readonly #unlisten: () => void
  #pending: string[] = []
  #isWatched = false
  #timer: NodeJS.Timeout | undefined
  #reporting: Promise<void> | undefined
  #isStopped = false

  constructor(db: Database, events: TaskEvents) {
    this.#db = db
    this.#events = events
    const addOne = ({ taskId }: RunEvent) => this.#add([taskId])
    this.#unlisten = events.listen({
      ended: addOne,
      cancelled: addOne,
      rescued: ({ tasks }) => this.#add(tasks.map(({ taskId }) => taskId)),
      unknownTypeFailed: addOne,
      orphansReleased: ({ taskIds }) => this.#add(taskIds),
    })
  }

  /** Reports what is pending. Waits a second at most: an outage must not delay a stop. */
  async stop(): Promise<void> {
    this.#unlisten()
    this.#isStopped = true
    clearTimeout(this.#timer)
    const reported = Promise.resolve(this.#reporting).then(() => this.#report())
    await within(STOP_MS, reported)
  }

  #add(taskIds: readonly string[]): void {
    this.#pending.push(...taskIds)
    if (this.#pending.length > MAX_UNREPORTED) this.#pending.splice(0, this.#pending.length - MAX_UNREPORTED)
    this.#reportSoon()
  }

  #reportSoon(): void {
    if (this.#isStopped) return
    this.#timer ??= setTimeout(
      () => {
        this.#timer = undefined
        this.#reporting ??= this.#report().finally(() => {
          this.#reporting = undefined
          if (this.#pending.length > 0) this.#reportSoon()
        })
      },
      this.#isWatched ? WATCHED_MS : UNWATCHED_MS,
    ).unref()
  }

  async #report(): Promise<void> {
    const taskIds = this.#pending
    if (taskIds.length === 0) return
    this.#pending = []
    let sent = 0
    try {
      // Without ids at first: they are sent only if a process watches.
      this.#isWatched ||= await reportChanges(this.#db, [])
      while (this.#isWatched && sent < taskIds.length) {
        this.#isWatched = await reportChanges(this.#db, taskIds.slice(sent, sent + BATCH))
        sent += BATCH
      }
    } catch (error) {
      if (isTransient(error)) this.#pending = [...taskIds.slice(sent), ...this.#pending]
      else this.#events.emit('writeFailed', { what: 'changes for viewers', error })
    }
  }
}
