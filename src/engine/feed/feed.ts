import type { TaskStreamEvent, TasksStreamEvent } from '../../contract/events.ts'
import type { TaskDetail, TaskLogLine } from '../../contract/task.ts'
import type { Database } from '../../db/database.ts'
import { isTransient } from '../../db/errors.ts'
import { TaskError } from '../definition/errors.ts'
import { TASK_ID } from '../definition/lifecycle.ts'
import type { Redaction } from '../definition/redaction.ts'
import type { TaskEvents } from '../runtime/events.ts'
import { backoffMs } from '../runtime/supervisor.ts'
import { pause, WakeUp } from '../runtime/wake-up.ts'
import { forgetChanges, readFleetState, requestReports } from '../store/changes.ts'
import { readFeed } from '../store/feed.ts'
import { findTasks, listLogs } from '../store/read.ts'
import { toLogLine } from '../store/rows.ts'
import { AllTasks } from './all-tasks.ts'
import { LINES_A_LOOK, WatchedTask } from './watched-task.ts'

/** Together with the look itself less than four statements a second. */
const INTERVAL_MS = 250
/** What happens in this process is looked at sooner, but not sooner than this after the last look. */
const MIN_INTERVAL_MS = 50
/** What one that is behind is handed at a time: a slow one holds no more than this. */
const LINES_A_PAGE = 200
/** Often enough for requests that last a minute. */
const REQUEST_REPORTS_MS = 10_000
/** Types that are paused, executors that die. */
const READ_FLEET_MS = 1_000
/** Each may carry megabytes of params and result. */
const DETAILS_A_READ = 100

export type FeedEvent = TaskStreamEvent | TasksStreamEvent

/** Nothing, once nothing has happened for `idleMs`. */
export type FeedStep = readonly FeedEvent[]

export interface FollowOptions {
  /** Ends it. */
  readonly signal: AbortSignal
  /** How often to be told that nothing happens. */
  readonly idleMs: number
}

/**
 * Follows tasks for viewers, whichever process runs them. One loop looks for all of them, four times a second, in one
 * statement; without viewers it does not run. Viewers pull: each has a position of its own in what all of them share,
 * so that a slow one costs no memory. One that has fallen far behind reads the log in pages, or is sent away.
 */
export class TaskFeed {
  readonly #db: Database
  readonly #events: TaskEvents
  readonly #redaction: Redaction
  readonly #watched = new Map<string, WatchedTask>()
  #all: AllTasks | undefined
  readonly #wakeUp = new WakeUp()
  readonly #stop = new AbortController()
  readonly #pages = new Map<string, Promise<readonly TaskLogLine[]>>()
  #isRunning = false

  /** @param db two connections are enough: one for the loop, one for whoever is behind */
  constructor(db: Database, events: TaskEvents, redaction: Redaction) {
    this.#db = db
    this.#events = events
    this.#redaction = redaction
    events.on('started', this.#onChange)
    events.on('ended', this.#onChange)
    events.on('cancelled', this.#onChange)
  }

  /**
   * One task until it has ended: the task and every change of it, and its log after `afterId`, each line once and in
   * the order of ids. It ends early when the task is deleted.
   *
   * @throws TaskError `TASK_NOT_FOUND`, `SHUTTING_DOWN`
   */
  async follow(
    taskId: string,
    options: FollowOptions & { readonly afterId: number },
  ): Promise<AsyncGenerator<FeedStep, void, undefined>> {
    this.#refuseWhenStopped()
    if (!TASK_ID.test(taskId)) throw notFound(taskId)
    let watched = this.#watched.get(taskId)
    if (!watched || watched.isGone) {
      watched = new WatchedTask(taskId)
      this.#watched.set(taskId, watched)
    }
    const leave = this.#enter(watched, options.signal)
    try {
      await watched.found.promise
    } catch (error) {
      leave()
      throw error
    }
    return this.#steps(watched, options, leave)
  }

  /**
   * All tasks: those that run, then every change. It ends for a viewer that has fallen too far behind, and for all where a
   * change may have been missed: they read what they show again.
   *
   * @throws TaskError `SHUTTING_DOWN`
   */
  async followAll(options: FollowOptions): Promise<AsyncGenerator<FeedStep, void, undefined>> {
    this.#refuseWhenStopped()
    this.#all ??= new AllTasks()
    const all = this.#all
    const leave = this.#enter(all, options.signal)
    try {
      await all.found.promise
    } catch (error) {
      leave()
      throw error
    }
    return this.#allSteps(all, options, leave)
  }

  get viewers(): number {
    const watched = [...this.#watched.values()].reduce((sum, { viewers }) => sum + viewers, 0)
    return watched + (this.#all?.viewers ?? 0)
  }

  /** Ends everything that is followed. */
  close(): void {
    this.#stop.abort()
    this.#events.off('started', this.#onChange)
    this.#events.off('ended', this.#onChange)
    this.#events.off('cancelled', this.#onChange)
    for (const { changes, found } of [...this.#watched.values(), ...(this.#all ? [this.#all] : [])]) {
      found.reject(shuttingDown())
      changes.announce()
    }
  }

  async *#steps(
    watched: WatchedTask,
    { afterId, signal, idleMs }: FollowOptions & { readonly afterId: number },
    leave: () => void,
  ): AsyncGenerator<FeedStep, void, undefined> {
    let position = afterId
    let shown: TaskDetail | undefined
    try {
      while (!this.#isOver(signal) && !watched.isGone) {
        const { count } = watched.changes
        const { detail } = watched
        if (detail && detail !== shown) {
          shown = detail
          yield [{ type: 'task', task: detail }]
        }
        const end = watched.end
        const known = watched.position ?? 0
        const lines = position < known ? await this.#linesAfter(watched, position, known) : []
        if (lines.length > 0) yield lines.map((line) => ({ type: 'log', line }))
        position = lines.at(-1)?.id ?? Math.max(position, known)
        if (position < known) continue
        if (end) {
          yield [{ type: 'end', task: end }]
          return
        }
        if ((await watched.changes.after(count, idleMs, signal)) === 'idle') yield []
      }
    } finally {
      leave()
    }
  }

  async *#allSteps(
    all: AllTasks,
    { signal, idleMs }: FollowOptions,
    leave: () => void,
  ): AsyncGenerator<FeedStep, void, undefined> {
    try {
      let { number } = all
      yield all.running.map((task) => ({ type: 'task', task }))
      while (!this.#isOver(signal)) {
        const { count } = all.changes
        const events = all.eventsAfter(number)
        if (!events) return
        number = all.number
        if (events.length > 0) yield events
        else if ((await all.changes.after(count, idleMs, signal)) === 'idle') yield []
      }
    } finally {
      leave()
    }
  }

  /** Ascending, none above `known`. Viewers at the same place share a read. */
  async #linesAfter(watched: WatchedTask, position: number, known: number): Promise<readonly TaskLogLine[]> {
    const recent = watched.recentAfter(position)
    if (recent) return recent
    // A page that was read for a smaller `known` may lack lines that are settled by now.
    const key = `${watched.taskId} ${position} ${known}`
    let page = this.#pages.get(key)
    if (!page) {
      page = this.#readPage(watched.taskId, position).finally(() => this.#pages.delete(key))
      this.#pages.set(key, page)
    }
    // The page may go beyond what is settled.
    return (await page).filter(({ id }) => id <= known)
  }

  async #readPage(taskId: string, afterId: number): Promise<readonly TaskLogLine[]> {
    const page = { limit: LINES_A_PAGE, offset: 0, order: 'asc' } as const
    const rows = await listLogs(this.#db, taskId, { afterId }, page)
    return rows.map(toLogLine)
  }

  /** Viewers leave by ending their iterator or by their signal: one that was never started has no `finally`. */
  #enter(place: WatchedTask | AllTasks, signal: AbortSignal): () => void {
    if (place.viewers === 0) this.#wakeUp.notify()
    place.viewers += 1
    let isIn = true
    const leave = () => {
      if (!isIn) return
      isIn = false
      signal.removeEventListener('abort', leave)
      place.viewers -= 1
      if (place.viewers > 0) return
      if (place === this.#all) this.#all = undefined
      if (place instanceof WatchedTask && this.#watched.get(place.taskId) === place) {
        this.#watched.delete(place.taskId)
      }
    }
    if (signal.aborted) leave()
    else signal.addEventListener('abort', leave)
    if (!this.#isRunning) void this.#run()
    return leave
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    const { signal } = this.#stop
    let failures = 0
    while (!signal.aborted && this.#isWatched) {
      try {
        const more = await this.#look()
        if (failures > 0) {
          this.#events.emit('loopRecovered', { loop: 'feed', failures })
          // Reports may have been removed meanwhile.
          this.#all?.restart()
        }
        failures = 0
        if (more) continue
        await pause(MIN_INTERVAL_MS, signal)
        await this.#wakeUp.wait(INTERVAL_MS - MIN_INTERVAL_MS, signal)
      } catch (error) {
        failures += 1
        if (failures === 1) this.#events.emit('loopFailed', { loop: 'feed', error })
        this.#turnAway(error)
        await pause(backoffMs(failures), signal)
      }
    }
    this.#isRunning = false
  }

  /** Answers whether there is more to read at once. */
  async #look(): Promise<boolean> {
    const all = this.#all
    const watched = [...this.#watched.values()]
    if (all) await this.#lookAround(all)
    const positions = watched.map(({ taskId, position }) => ({ taskId, afterLine: position ?? null }))
    const look = await readFeed(this.#db, positions, LINES_A_LOOK, all?.wanted)
    const nowMs = performance.now()
    let more = all !== undefined && look.all !== undefined && all.take(look.all, look.snapshot)
    for (const task of watched) more = task.take(look, nowMs) || more
    const stale = watched.filter(({ detailIsStale, isGone }) => detailIsStale && !isGone)
    for (let from = 0; from < stale.length; from += DETAILS_A_READ) {
      await this.#refresh(stale.slice(from, from + DETAILS_A_READ))
    }
    for (const { taskId, found, isGone } of watched) isGone ? found.reject(notFound(taskId)) : found.resolve()
    return more
  }

  /** What all tasks need now and then. Before the first look: what ends after that is reported. */
  async #lookAround(all: AllTasks): Promise<void> {
    const now = performance.now()
    if (now >= all.requestReportsAt) {
      await requestReports(this.#db)
      await forgetChanges(this.#db)
      all.requestReportsAt = now + REQUEST_REPORTS_MS
    }
    if (now < all.readFleetAt) return
    all.takeFleet(await readFleetState(this.#db))
    all.readFleetAt = now + READ_FLEET_MS
  }

  async #refresh(stale: readonly WatchedTask[]): Promise<void> {
    try {
      const details = await findTasks(
        this.#db,
        stale.map(({ taskId }) => taskId),
      )
      for (const watched of stale) {
        const detail = details.get(watched.taskId)
        if (detail) watched.takeDetail(this.#redaction.hide(detail))
        else watched.found.reject(notFound(watched.taskId))
      }
    } catch (error) {
      if (isTransient(error)) throw error
      // What is wrong with one task alone must not end what others see.
      const [only] = stale
      if (only && stale.length === 1) only.fail(error)
      else for (const one of stale) await this.#refresh([one])
    }
  }

  /** Whoever has just come is told of the outage; whoever has seen something waits for its end. */
  #turnAway(error: unknown): void {
    for (const { found } of this.#watched.values()) found.reject(error)
    this.#all?.found.reject(error)
  }

  readonly #onChange = ({ taskId }: { readonly taskId: string }): void => {
    if (this.#watched.has(taskId)) this.#wakeUp.notify()
  }

  get #isWatched(): boolean {
    return this.#watched.size > 0 || this.#all !== undefined
  }

  #isOver(signal: AbortSignal): boolean {
    return signal.aborted || this.#stop.signal.aborted
  }

  #refuseWhenStopped(): void {
    if (this.#stop.signal.aborted) throw shuttingDown()
  }
}

function notFound(taskId: string): TaskError {
  return new TaskError('TASK_NOT_FOUND', `there is no task ${JSON.stringify(taskId)}`)
}

function shuttingDown(): TaskError {
  return new TaskError('SHUTTING_DOWN', 'stopped following: shutting down')
}
