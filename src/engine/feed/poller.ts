import type { Database } from '../../db/database.ts'
import { isTransient } from '../../db/errors.ts'
import { taskNotFound } from '../definition/errors.ts'
import type { Redaction } from '../definition/redaction.ts'
import type { TaskEvents } from '../runtime/events.ts'
import { backoffMs } from '../runtime/supervisor.ts'
import { pause, WakeUp } from '../runtime/wake-up.ts'
import { deleteOldReports, readFleetState, requestReports } from '../store/changes.ts'
import { readFeed } from '../store/feed.ts'
import { findTasks } from '../store/read.ts'
import type { AllTasks } from './all-tasks.ts'
import { LINES_PER_POLL, type WatchedTask } from './watched-task.ts'

const INTERVAL_MS = 250
const MIN_INTERVAL_MS = 50
/** A request for reports holds for a minute; it is renewed this often. */
const REQUEST_REPORTS_MS = 10_000
const READ_FLEET_MS = 1_000
const DETAILS_PER_READ = 100

export interface Watched {
  readonly tasks: Map<string, WatchedTask>
  all: AllTasks | undefined
}

/** The loop that reads for all viewers. It runs while there are any, and after a failed poll until one succeeds. */
export class FeedPoller {
  readonly #db: Database
  readonly #events: TaskEvents
  readonly #redaction: Redaction
  readonly #watched: Watched
  readonly #wakeUp = new WakeUp()
  #isRunning = false

  constructor(db: Database, events: TaskEvents, redaction: Redaction, watched: Watched) {
    this.#db = db
    this.#events = events
    this.#redaction = redaction
    this.#watched = watched
  }

  wake(): void {
    this.#wakeUp.notify()
  }

  start(signal: AbortSignal): void {
    if (!this.#isRunning) void this.#run(signal)
  }

  async #run(signal: AbortSignal): Promise<void> {
    this.#isRunning = true
    let failures = 0
    // During an outage it goes on without viewers, so that it emits the recovery.
    while (!signal.aborted && (failures > 0 || this.#watched.tasks.size > 0 || this.#watched.all)) {
      try {
        const more = await this.#poll()
        if (failures > 0) {
          this.#events.emit('loopRecovered', { loop: 'feed', failures })
          // Reports are deleted after five minutes.
          this.#watched.all?.disconnectViewers()
        }
        failures = 0
        if (more) continue
        await pause(MIN_INTERVAL_MS, signal)
        await this.#wakeUp.wait(INTERVAL_MS - MIN_INTERVAL_MS, signal)
      } catch (error) {
        if (signal.aborted) break
        failures += 1
        if (failures === 1) this.#events.emit('loopFailed', { loop: 'feed', error })
        this.#rejectNewViewers(error)
        await pause(MIN_INTERVAL_MS, signal)
        await this.#wakeUp.wait(backoffMs(failures), signal)
      }
    }
    this.#isRunning = false
  }

  async #poll(): Promise<boolean> {
    const { all } = this.#watched
    const watched = [...this.#watched.tasks.values()]
    // Before the read: a task that ends after the read is then reported.
    if (all) await this.#prepare(all)
    const positions = watched.map(({ taskId, position, steps }) => {
      return { taskId, afterLine: position ?? null, afterStep: steps.after }
    })
    const result = await readFeed(this.#db, positions, LINES_PER_POLL, all?.wanted)
    const nowMs = performance.now()
    let more = all !== undefined && result.all !== undefined && all.apply(result.all, result.snapshot)
    for (const task of watched) more = task.apply(result, nowMs, this.#redaction) || more
    const stale = watched.filter(({ detailIsStale, isGone }) => detailIsStale && !isGone)
    for (let from = 0; from < stale.length; from += DETAILS_PER_READ) {
      await this.#refresh(stale.slice(from, from + DETAILS_PER_READ))
    }
    for (const { taskId, firstRead, isGone } of watched) {
      if (isGone) firstRead.reject(taskNotFound(taskId))
      else firstRead.resolve()
    }
    return more
  }

  async #prepare(all: AllTasks): Promise<void> {
    const now = performance.now()
    if (now >= all.nextReportsRequestAt) {
      const requestId = await requestReports(this.#db)
      // No process renewed the request in time, as when this one stood still: changes went unreported.
      if (all.requestId !== undefined && all.requestId !== requestId) all.disconnectViewers()
      all.requestId = requestId
      await deleteOldReports(this.#db)
      all.nextReportsRequestAt = now + REQUEST_REPORTS_MS
    }
    if (now < all.nextFleetReadAt) return
    all.applyFleet(await readFleetState(this.#db))
    all.nextFleetReadAt = now + READ_FLEET_MS
  }

  async #refresh(stale: readonly WatchedTask[]): Promise<void> {
    try {
      const details = await findTasks(
        this.#db,
        stale.map(({ taskId }) => taskId),
      )
      for (const watched of stale) {
        const detail = details.get(watched.taskId)
        if (detail) watched.applyDetail(this.#redaction.hide(detail))
        else watched.firstRead.reject(taskNotFound(watched.taskId))
      }
    } catch (error) {
      if (isTransient(error)) throw error
      // A detail that cannot be read must not end the streams of other tasks.
      const [only] = stale
      if (only && stale.length === 1) only.fail(error)
      else for (const one of stale) await this.#refresh([one])
    }
  }

  /** Rejects viewers that wait for their first read. The others wait for the end of the outage. */
  #rejectNewViewers(error: unknown): void {
    for (const { firstRead } of this.#watched.tasks.values()) firstRead.reject(error)
    this.#watched.all?.reject(error)
  }
}
