import type { TaskStreamEvent, TasksStreamEvent } from '../../contract/events.ts'
import type { Database } from '../../db/database.ts'
import { isOutage } from '../../db/errors.ts'
import { TaskError, taskNotFound } from '../definition/errors.ts'
import { TASK_ID } from '../definition/lifecycle.ts'
import type { Redaction } from '../definition/redaction.ts'
import type { TaskEvents } from '../runtime/events.ts'
import { AllTasks } from './all-tasks.ts'
import { LogPages } from './log-pages.ts'
import { FeedPoller, type Watched } from './poller.ts'
import { WatchedTask } from './watched-task.ts'

/** After a read of the log failed during an outage. */
const RETRY_PAGE_MS = 1_000

export type FeedEvent = TaskStreamEvent | TasksStreamEvent

/** What a viewer receives at once; empty if nothing has changed for `idleMs`, or during an outage. */
export type FeedBatch = readonly FeedEvent[]

export interface FollowOptions {
  readonly signal: AbortSignal
  /** After this long without a change the stream yields an empty batch. */
  readonly idleMs: number
}

export interface FollowOneOptions extends FollowOptions {
  /** The id of the last line that is known; 0: none. */
  readonly afterId: number
  /** The id of a creator, as text: of another creator's task the stream ends at once, without an event. Default: any. */
  readonly createdBy?: string | undefined
}

export interface FollowAllOptions extends FollowOptions {
  /** The id of a creator, as text: streams only the tasks of this one. Default: all tasks. */
  readonly createdBy?: string | undefined
}

/**
 * Streams tasks of all processes to viewers. One loop polls for all of them. Viewers pull: each keeps a position in shared
 * state, so a slow one holds a batch at most. One that is far behind reads the log of its task in pages; a viewer of all
 * tasks is disconnected.
 */
export class TaskFeed {
  readonly #unlisten: () => void
  readonly #watched: Watched = { tasks: new Map(), all: undefined }
  readonly #poller: FeedPoller
  readonly #pages: LogPages
  readonly #stop = new AbortController()

  /** @param db two connections are enough: one for the loop, one for pages of logs */
  constructor(db: Database, events: TaskEvents, redaction: Redaction) {
    this.#poller = new FeedPoller(db, events, redaction, this.#watched)
    this.#pages = new LogPages(db)
    const wake = ({ taskId }: { readonly taskId: string }) => {
      if (this.#watched.tasks.has(taskId)) this.#poller.wake()
    }
    this.#unlisten = events.listen({ started: wake, ended: wake, cancelled: wake, changed: wake })
  }

  /**
   * Streams one task until it has ended or is deleted: its newest state after changes, and each line of its log after
   * `afterId` once, ordered by id. Lines and steps that commit more than 2 s late may be missing. Waits during an outage.
   *
   * @throws TaskError `TASK_NOT_FOUND`, `SHUTTING_DOWN`; the error of the database if the first poll fails, or if the detail
   *   or a page of the log cannot be read for another reason than an outage
   */
  async follow(
    taskId: string,
    options: FollowOneOptions,
  ): Promise<AsyncGenerator<FeedBatch, void, undefined>> {
    this.requireOpen()
    if (!TASK_ID.test(taskId)) throw taskNotFound(taskId)
    let watched = this.#watched.tasks.get(taskId)
    if (!watched || watched.isGone) {
      watched = new WatchedTask(taskId)
      this.#watched.tasks.set(taskId, watched)
    }
    const leave = await this.#enter(watched, options.signal)
    return this.#taskBatches(watched, options, leave)
  }

  /**
   * Streams all tasks: first those that run, then the newest state of each task that has changed. Of more than 2,000
   * running tasks, progress is sent for some. Ends for a viewer that is too far behind, and for all viewers if a change may
   * have been missed, as after an outage: open the stream again, and read the list of tasks anew. A short run is missing if
   * its process could not report it within a second of its stop.
   *
   * With `createdBy`: the tasks that this user has created and nothing else, so no pauses of types. Also ends if a process
   * with an earlier version of this library deleted a task whose creator is not known.
   *
   * @throws TaskError `SHUTTING_DOWN`; the error of the database if the first poll fails
   */
  async followAll(options: FollowAllOptions): Promise<AsyncGenerator<FeedBatch, void, undefined>> {
    this.requireOpen()
    this.#watched.all ??= new AllTasks()
    const { all } = this.#watched
    const leave = await this.#enter(all, options.signal, options.createdBy)
    return this.#allBatches(all, options, leave)
  }

  get viewers(): number {
    const ofOne = [...this.#watched.tasks.values()].reduce((sum, { viewers }) => sum + viewers, 0)
    return ofOne + (this.#watched.all?.viewers ?? 0)
  }

  /** @throws TaskError `SHUTTING_DOWN` once it is closed */
  requireOpen(): void {
    if (this.#stop.signal.aborted) throw shuttingDown()
  }

  close(): void {
    this.#stop.abort()
    this.#unlisten()
    const { tasks, all } = this.#watched
    for (const { changes, firstRead } of tasks.values()) {
      firstRead.reject(shuttingDown())
      changes.announce()
    }
    all?.reject(shuttingDown())
    all?.changes.announce()
  }

  async *#taskBatches(
    watched: WatchedTask,
    { afterId, signal, idleMs, createdBy }: FollowOneOptions,
    leave: () => void,
  ): AsyncGenerator<FeedBatch, void, undefined> {
    let position = afterId
    let shownVersion: number | undefined
    let stepPosition = watched.steps.count
    try {
      while (!this.#isOver(signal) && watched.isThereFor(createdBy)) {
        const { count } = watched.changes
        const { detail, version } = watched
        const newSteps = watched.steps.afterPosition(stepPosition)
        stepPosition = watched.steps.count
        // The first detail contains all steps so far.
        if (shownVersion !== undefined && newSteps.length > 0)
          yield newSteps.map((step) => ({ type: 'step', step }))
        if (detail && version !== shownVersion) {
          shownVersion = version
          yield [{ type: 'task', task: detail }]
        }
        const end = watched.end
        const settled = watched.position ?? 0
        const lines = position < settled ? await this.#linesAfter(watched, position, settled) : []
        if (!watched.isThereFor(createdBy)) break
        if (!lines) {
          await watched.changes.after(count, RETRY_PAGE_MS, signal)
          // A connection must not fall silent in a long outage.
          if (!this.#isOver(signal)) yield []
          continue
        }
        if (lines.length > 0) yield lines.map((line) => ({ type: 'log', line }))
        position = lines.at(-1)?.id ?? Math.max(position, settled)
        if (position < settled) continue
        if (end) {
          yield [{ type: 'end', task: end }]
          return
        }
        const hasChanged = await watched.changes.after(count, idleMs, signal)
        if (!hasChanged && !this.#isOver(signal)) yield []
      }
      if (watched.error !== undefined && !this.#isOver(signal)) throw watched.error
    } finally {
      leave()
    }
  }

  async *#allBatches(
    all: AllTasks,
    { signal, idleMs, createdBy }: FollowAllOptions,
    leave: () => void,
  ): AsyncGenerator<FeedBatch, void, undefined> {
    try {
      let { publicationNumber } = all
      yield all.running(createdBy).map((task) => ({ type: 'task', task }))
      let idleAt = performance.now() + idleMs
      while (!this.#isOver(signal)) {
        const { count } = all.changes
        const events = all.eventsAfter(publicationNumber, createdBy)
        if (!events) return
        publicationNumber = all.publicationNumber
        // Counted from this viewer's own last event: a proxy may close a connection that is silent while other tasks change.
        if (events.length > 0 || performance.now() >= idleAt) {
          yield events
          idleAt = performance.now() + idleMs
        } else await all.changes.after(count, Math.max(0, idleAt - performance.now()), signal)
      }
    } finally {
      leave()
    }
  }

  /** Undefined during an outage. */
  async #linesAfter(watched: WatchedTask, position: number, settled: number) {
    try {
      return await this.#pages.linesAfter(watched, position, settled)
    } catch (error) {
      if (isOutage(error)) return undefined
      throw error
    }
  }

  /**
   * Adds a viewer, and waits until its first state is read. Returns what removes it. The signal removes it, too: an iterator
   * that was never started runs no `finally`.
   */
  async #enter(target: WatchedTask | AllTasks, signal: AbortSignal, createdBy?: string): Promise<() => void> {
    if (target.viewers === 0) this.#poller.wake()
    target.viewers += 1
    const ofCreator =
      target instanceof AllTasks && createdBy !== undefined ? target.enter(createdBy) : undefined
    let hasLeft = false
    const left = Promise.withResolvers<void>()
    const leave = () => {
      if (hasLeft) return
      hasLeft = true
      signal.removeEventListener('abort', leave)
      target.viewers -= 1
      if (target instanceof AllTasks && createdBy !== undefined) target.leave(createdBy)
      if (target.viewers === 0) this.#drop(target)
      left.resolve()
    }
    if (signal.aborted) leave()
    else signal.addEventListener('abort', leave)
    this.#poller.start(this.#stop.signal)
    try {
      // Once all viewers have left, the target is no longer read.
      await Promise.race([Promise.all([target.firstRead.promise, ofCreator]), left.promise])
    } catch (error) {
      leave()
      throw error
    }
    return leave
  }

  #drop(target: WatchedTask | AllTasks): void {
    const { tasks, all } = this.#watched
    if (target === all) this.#watched.all = undefined
    if (target instanceof WatchedTask && tasks.get(target.taskId) === target) tasks.delete(target.taskId)
  }

  #isOver(signal: AbortSignal): boolean {
    return signal.aborted || this.#stop.signal.aborted
  }
}

function shuttingDown(): TaskError {
  return new TaskError('SHUTTING_DOWN', 'stopped following: shutting down')
}
