import type { TaskStreamEvent, TasksStreamEvent } from '../../contract/events.ts'
import type { Database } from '../../db/database.ts'
import { TaskError, taskNotFound } from '../definition/errors.ts'
import { TASK_ID } from '../definition/lifecycle.ts'
import type { Redaction } from '../definition/redaction.ts'
import type { TaskEvents } from '../runtime/events.ts'
import { AllTasks } from './all-tasks.ts'
import { LogPages } from './log-pages.ts'
import { FeedPoller, type Watched } from './poller.ts'
import { WatchedTask } from './watched-task.ts'

export type FeedEvent = TaskStreamEvent | TasksStreamEvent

/** Empty after `idleMs` without a change. */
export type FeedBatch = readonly FeedEvent[]

export interface FollowOptions {
  readonly signal: AbortSignal
  /** After this long without a change the stream yields an empty batch. */
  readonly idleMs: number
}

export interface FollowOneOptions extends FollowOptions {
  /** The id of the last line that is known; 0: none. */
  readonly afterId: number
  /** The stream ends once the task has another creator. The id as text; undefined: any. */
  readonly createdBy?: string | undefined
}

export interface FollowAllOptions extends FollowOptions {
  /** The id of a creator, as text. */
  readonly createdBy?: string | undefined
}

/**
 * Streams tasks of all processes to viewers. One loop polls for all of them; without viewers it does not run,
 * except until an outage has ended. Viewers pull: each keeps a position in shared state, so a slow one holds one batch at most. A viewer
 * of one task that is far behind reads its log in pages; a viewer of all tasks is disconnected.
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
   * Streams one task until it has ended or is deleted: its newest state after changes, and the lines of its log after
   * `afterId`, ordered by id; each once. A line that commits more than 2 s late may be missing. Throws where the task can no longer be
   * read. Ends at once where the signal aborts before the first poll.
   *
   * @throws TaskError `TASK_NOT_FOUND`, `SHUTTING_DOWN`
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
   * Streams all tasks: those that run, then every change. Ends for a viewer that is too far behind, and for all viewers
   * where a change may have been missed. A viewer whose stream has ended reopens it and reads its tasks again.
   *
   * With `createdBy`: the tasks that this user has created and nothing else, so no pauses of types. Ends, too, where a process of an
   * earlier version deleted a task whose creator is not known.
   *
   * @throws TaskError `SHUTTING_DOWN`
   */
  async followAll(options: FollowAllOptions): Promise<AsyncGenerator<FeedBatch, void, undefined>> {
    this.requireOpen()
    this.#watched.all ??= new AllTasks()
    const { all } = this.#watched
    const leave = await this.#enter(all, options.signal, options.createdBy)
    return this.#allBatches(all, options, leave)
  }

  get viewers(): number {
    const watched = [...this.#watched.tasks.values()].reduce((sum, { viewers }) => sum + viewers, 0)
    return watched + (this.#watched.all?.viewers ?? 0)
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
    let shown: number | undefined
    let knownSteps = watched.steps.count
    try {
      while (!this.#isOver(signal) && watched.isThereFor(createdBy)) {
        const { count } = watched.changes
        const { detail, version } = watched
        const finished = watched.steps.afterPosition(knownSteps)
        knownSteps = watched.steps.count
        // A first detail contains the steps.
        if (shown !== undefined && finished.length > 0) yield finished.map((step) => ({ type: 'step', step }))
        if (detail && version !== shown) {
          shown = version
          yield [{ type: 'task', task: detail }]
        }
        const end = watched.end
        const known = watched.position ?? 0
        const lines = position < known ? await this.#pages.linesAfter(watched, position, known) : []
        if (!watched.isThereFor(createdBy)) break
        if (lines.length > 0) yield lines.map((line) => ({ type: 'log', line }))
        position = lines.at(-1)?.id ?? Math.max(position, known)
        if (position < known) continue
        if (end) {
          yield [{ type: 'end', task: end }]
          return
        }
        if ((await watched.changes.after(count, idleMs, signal)) === 'idle') yield []
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
      let { batchNumber } = all
      yield all.running(createdBy).map((task) => ({ type: 'task', task }))
      let idleAt = performance.now() + idleMs
      while (!this.#isOver(signal)) {
        const { count } = all.changes
        const events = all.eventsAfter(batchNumber, createdBy)
        if (!events) return
        batchNumber = all.batchNumber
        // Idle by this viewer's own events: while only others change, its connection must not fall silent.
        if (events.length > 0 || performance.now() >= idleAt) {
          yield events
          idleAt = performance.now() + idleMs
        } else await all.changes.after(count, Math.max(0, idleAt - performance.now()), signal)
      }
    } finally {
      leave()
    }
  }

  /** Leaves at the signal, too: an iterator that was never started runs no `finally`. */
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
      if (target.viewers === 0) this.#forget(target)
      left.resolve()
    }
    if (signal.aborted) leave()
    else signal.addEventListener('abort', leave)
    this.#poller.start(this.#stop.signal)
    try {
      // A target that all viewers left before its first poll is never read.
      await Promise.race([Promise.all([target.firstRead.promise, ofCreator]), left.promise])
    } catch (error) {
      leave()
      throw error
    }
    return leave
  }

  #forget(target: WatchedTask | AllTasks): void {
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
