import type { Database } from '../../db/database.ts'
import { isTransient } from '../../db/errors.ts'
import type { TaskEventMap, TaskEvents } from '../runtime/events.ts'
import { pause } from '../runtime/wake-up.ts'
import { reportChanges } from '../store/changes.ts'

/** While no process watches: how long ends are gathered before the database is asked whether one does by now. */
const UNWATCHED_MS = 1_000
const WATCHED_MS = 200
/** Ids that one statement reports. */
const BATCH = 500
/** Beyond that the oldest are dropped: the database has been away for long. */
const MAX_GATHERED = 100_000
/** What a stop waits for the last report. */
const STOP_MS = 1_000

/**
 * Reports the ends of this process's runs to the processes that watch all tasks: a run that starts and ends between
 * two of their polls is in no index that tells it from older ones. One statement a second at most while no process
 * watches, five while one does, none at rest, and none that a run waits for.
 */
export class ChangeReporter {
  readonly #db: Database
  readonly #events: TaskEvents
  #gathered = new Set<string>()
  #isWatched = false
  #timer: NodeJS.Timeout | undefined
  #reporting: Promise<void> | undefined
  #isStopped = false

  constructor(db: Database, events: TaskEvents) {
    this.#db = db
    this.#events = events
    events.on('ended', this.#onEnded)
    events.on('cancelled', this.#onEnded)
    events.on('rescued', this.#onRescued)
    events.on('unknownTypeFailed', this.#onEnded)
    events.on('orphansReleased', this.#onStrays)
  }

  /** Reports what is gathered. Waits a second at most: a database that is away must not hold up a stop. */
  async stop(): Promise<void> {
    this.#events.off('ended', this.#onEnded)
    this.#events.off('cancelled', this.#onEnded)
    this.#events.off('rescued', this.#onRescued)
    this.#events.off('unknownTypeFailed', this.#onEnded)
    this.#events.off('orphansReleased', this.#onStrays)
    this.#isStopped = true
    clearTimeout(this.#timer)
    const written = new AbortController()
    const reported = Promise.resolve(this.#reporting)
      .then(() => this.#report())
      .finally(() => written.abort())
    await Promise.race([reported, pause(STOP_MS, written.signal)])
  }

  readonly #onEnded = ({ taskId }: { readonly taskId: string }): void => this.#gather(taskId)
  readonly #onStrays = ({ taskIds }: TaskEventMap['orphansReleased'][0]): void => this.#gather(...taskIds)
  readonly #onRescued = ({ tasks }: TaskEventMap['rescued'][0]): void =>
    this.#gather(...tasks.map(({ taskId }) => taskId))

  #gather(...taskIds: readonly string[]): void {
    for (const taskId of taskIds) this.#gathered.add(taskId)
    for (const taskId of this.#gathered) {
      if (this.#gathered.size <= MAX_GATHERED) break
      this.#gathered.delete(taskId)
    }
    this.#reportSoon()
  }

  #reportSoon(): void {
    if (this.#isStopped) return
    this.#timer ??= setTimeout(
      () => {
        this.#timer = undefined
        this.#reporting ??= this.#report().finally(() => {
          this.#reporting = undefined
          if (this.#gathered.size > 0) this.#reportSoon()
        })
      },
      this.#isWatched ? WATCHED_MS : UNWATCHED_MS,
    ).unref()
  }

  /** Never rejects: what the database did not take is reported the next time. */
  async #report(): Promise<void> {
    const taskIds = [...this.#gathered]
    if (taskIds.length === 0) return
    this.#gathered = new Set()
    let reported = 0
    try {
      // Ids are sent only where they are wanted.
      this.#isWatched ||= await reportChanges(this.#db, [])
      while (this.#isWatched && reported < taskIds.length) {
        this.#isWatched = await reportChanges(this.#db, taskIds.slice(reported, reported + BATCH))
        reported += BATCH
      }
    } catch (error) {
      if (isTransient(error)) this.#gathered = new Set([...taskIds.slice(reported), ...this.#gathered])
      else this.#events.emit('writeFailed', { what: 'changes for those who watch', error })
    }
  }
}
