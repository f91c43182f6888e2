import type { TaskStreamEvent } from '../../contract/events.ts'
import type { TaskStats } from '../../contract/stats.ts'
import type { LogLevel, TaskDetail, TaskList, TaskLogPage } from '../../contract/task.ts'
import {
  createManyOptions,
  requireCreateOptions,
  requireValid,
  waitOptions,
  watchOptions,
} from '../create/arguments.ts'
import { TaskCreator } from '../create/creator.ts'
import { keepParts, type ManagerOptions } from '../create/manager-parts.ts'
import { TaskFactory } from '../create/new-task.ts'
import type { CreatedTask, CreateTaskOptions, EndedTask, NewTaskItems } from '../definition/create-options.ts'
import { TaskError, taskNotFound } from '../definition/errors.ts'
import { isFinished, TASK_ID } from '../definition/lifecycle.ts'
import { Redaction } from '../definition/redaction.ts'
import type { TaskSettings } from '../definition/settings.ts'
import { findDefinitions, requireTypeOf } from '../definition/task.ts'
import type { AnyTask, CreateArguments, TaskReference } from '../definition/task-reference.ts'
import { TaskFeed } from '../feed/feed.ts'
import { type WatchOptions, watchTask } from '../feed/task-watch.ts'
import { LogCap } from '../maintenance/log-cap.ts'
import { Schedules } from '../schedules/schedules.ts'
import { AuditTrail } from './audit-trail.ts'
import { ChangeMethods } from './change-methods.ts'
import { ExternalOutput } from './external-output.ts'
import { HostEvents, type TaskEventListener, type TaskEventName } from './host-events.ts'
import { Overviews } from './overview.ts'
import { notReady } from './refused-calls.ts'
import { Statistics } from './statistics.ts'
import { type LogQuery, type TaskQuery, TaskReader } from './task-reader.ts'
import { TaskTypes } from './task-types.ts'
import { Waiters, type WaitOptions } from './waiters.ts'

export type {
  CreatedTask,
  CreateTaskOptions,
  EndedTask,
  NewTaskItem,
  NewTaskItems,
} from '../definition/create-options.ts'
export type { WatchOptions } from '../feed/task-watch.ts'
export type { RetryOptions } from './retry-from.ts'
export type { TaskChanges } from './task-changer.ts'
export type { LogQuery, TaskQuery } from './task-reader.ts'
export type { WaitOptions } from './waiters.ts'

/** Creates, reads and changes tasks: `app.tasks`. Every change of a task is one guarded statement in the store. */
export class TaskManager extends ChangeMethods {
  readonly #settings: TaskSettings
  readonly #creator: TaskCreator
  readonly #reader: TaskReader
  readonly #output: ExternalOutput
  readonly #waiters: Waiters
  readonly #statistics: Statistics
  readonly #audit: AuditTrail
  readonly #hostEvents: HostEvents
  readonly #feed: TaskFeed
  readonly #isReady: () => boolean

  constructor(options: ManagerOptions) {
    const { db, settings, events } = options
    const redaction = new Redaction(settings.redact, options.definitions)
    const factory = new TaskFactory({ ...options, redaction })
    const feed = new TaskFeed(options.feedDb ?? db, events, redaction)
    const parts = { ...options, redaction, factory, feed }
    const creator = new TaskCreator(parts)
    const reader = new TaskReader(db, redaction)
    const audit = new AuditTrail(parts)
    const schedules = new Schedules({ ...parts, creator })
    const statistics = new Statistics(db)
    const overviews = new Overviews(db, statistics)
    super({ ...parts, reader, audit, schedules, types: new TaskTypes(options), overviews, statistics })
    keepParts(this, parts)
    this.#settings = settings
    this.#creator = creator
    this.#reader = reader
    this.#output = new ExternalOutput(db, new LogCap(db, events, settings.maxLogLines))
    this.#waiters = new Waiters(db, events, settings.pollIntervalMs, (task) => redaction.hide(task))
    this.#statistics = statistics
    this.#audit = audit
    this.#hostEvents = new HostEvents(events)
    this.#feed = feed
    this.#isReady = options.isReady ?? (() => true)
  }

  /**
   * Creates a task. Resolves once its row is committed; with `tx`, once it is written in that transaction.
   *
   * @param task a handler or a type's name; params of a type that only another process has registered are checked there
   * @throws TaskError `UNKNOWN_TASK_TYPE` if neither this app nor any executor of the last 24 hours has registered the
   *   type, `INVALID_PARAMS`, `INVALID_ARGUMENT`, `DUPLICATE_TASK` with `onDuplicate: 'reject'`, or `UNIQUE_KEY_BUSY` if
   *   an open transaction holds the unique key for half a lease (at most 30 s)
   */
  async createTask<T extends TaskReference>(
    task: T,
    ...[params, options = {}]: CreateArguments<T, CreateTaskOptions>
  ): Promise<CreatedTask> {
    const { tx, actor, ...others } = requireCreateOptions(options)
    const item = { ...others, task, ...(params === undefined ? {} : { params }) }
    return this.#audit.run(
      { actor, action: 'task.create', subject: () => nameOf([item]) },
      (audit) => this.#creator.create(item, { tx, audit }),
      ({ taskId }) => (tx ? undefined : [{ subject: taskId, outcome: 'ok' }]),
    )
  }

  /** Creates many tasks of any types, all or none, and returns them in the order of the items. Throws as `createTask`. */
  async createTasks<const T extends readonly TaskReference[]>(
    items: NewTaskItems<T>,
    options: Pick<CreateTaskOptions, 'tx' | 'actor'> = {},
  ): Promise<{ [Index in keyof T]: CreatedTask }> {
    // A mapped tuple has as many elements as there are items; an array type loses that.
    const { tx } = requireValid('create options', createManyOptions, options)
    const { actor } = options
    const created = this.#audit.run(
      { actor, action: 'task.create', subject: () => nameOf(items) },
      (audit) => this.#creator.createAll(items, { tx, audit }),
      (tasks) => (tx ? undefined : tasks.map(({ taskId }) => ({ subject: taskId, outcome: 'ok' }))),
    )
    return (await created) as { [Index in keyof T]: CreatedTask }
  }

  /** Resolves to the task with params, result and attempts, or to undefined if there is none. */
  getTask(taskId: string): Promise<TaskDetail | undefined> {
    return this.#reader.find(taskId)
  }

  /**
   * Lists tasks, newest first, 50 per page by default and 200 at most. `total` is exact up to 10,000.
   *
   * @throws TaskError `INVALID_ARGUMENT`, also for a cursor that is not the `nextCursor` of a page
   */
  async listTasks(query: TaskQuery = {}): Promise<TaskList> {
    return this.#reader.list(query)
  }

  /**
   * Counts tasks by status and type, the longest wait of a due task, and the tasks that ended in each minute of the last
   * hour. Refreshed at most once a second. If `isCapped` is true, a type has more than 10,000 ended tasks of a status, which count
   * as 10,000.
   */
  stats(): Promise<TaskStats> {
    return this.#statistics.read()
  }

  /**
   * Reports progress of a running task from outside its handler.
   *
   * @param current integer, 0 … total; progress never falls within an attempt
   * @param total integer ≥ 0; default: unchanged
   * @param step the current step, at most 200 characters
   * @throws TaskError `TASK_NOT_FOUND`, `TASK_NOT_RUNNING`, `TASK_BUSY`, `INVALID_ARGUMENT`
   */
  async updateProgress(taskId: string, current: number, total?: number, step?: string): Promise<TaskDetail> {
    const written = await this.#output.report(taskId, current, total, step)
    const task = await this.#reader.require(taskId)
    if (!written) throw new TaskError('TASK_NOT_RUNNING', `${taskId} is ${task.status}`)
    return task
  }

  /**
   * Adds a line to the log of a task in any status; at most 10,000 characters are kept.
   *
   * @throws TaskError `TASK_NOT_FOUND`, `TASK_BUSY` if an open transaction locks the row for update, `INVALID_ARGUMENT`
   */
  async logMessage(taskId: string, level: LogLevel, message: string): Promise<void> {
    await this.#output.log(taskId, level, message)
  }

  /**
   * Lists the lines of a task's log, oldest first, or newest first with `order: 'desc'`; 50 per page by default.
   *
   * @throws TaskError `TASK_NOT_FOUND`, `INVALID_ARGUMENT`
   */
  async listLogs(taskId: string, query: LogQuery = {}): Promise<TaskLogPage> {
    return this.#reader.listLogs(taskId, query)
  }

  /**
   * Waits until the task has ended; in another process, up to `pollIntervalMs` longer. With its handler as `task`, the
   * result is typed.
   *
   * @throws TaskError `WAIT_TIMEOUT`, `TASK_NOT_FOUND` (also if it is deleted), `NOT_READY` if the task has not ended and
   *   the executor of this process starts only when the app is ready, `SHUTTING_DOWN`, `INVALID_ARGUMENT`
   */
  async waitFor<T extends AnyTask = AnyTask>(
    taskId: string,
    options: WaitOptions & { task?: T } = {},
  ): Promise<EndedTask<T>> {
    requireValid('wait options', waitOptions, options)
    if (!TASK_ID.test(taskId)) throw taskNotFound(taskId)
    const examine = (task: TaskDetail | undefined) => {
      if (!task) throw taskNotFound(taskId)
      if (options.task) requireTypeOf(options.task, task)
      if (isFinished(task.status)) return task
      if (!this.#isReady()) throw notReady('waitFor')
      return undefined
    }
    // Its type was checked against the handler's.
    return (await this.#waiters.wait(taskId, examine, options)) as EndedTask<T>
  }

  /**
   * Follows a task, also one that another process runs, until it has ended: `task` with the task at the start and after each
   * change, `log` with each line of its log, `step` with each step, at last `end`. Leaving a `for await`, or `return`, frees
   * everything.
   *
   * @throws TaskError from the iterator: `TASK_NOT_FOUND` (also if it is deleted), `SHUTTING_DOWN`; and at once
   *   `INVALID_ARGUMENT`, and `NOT_READY` before the app is ready, if this process has an executor
   */
  watch(taskId: string, options: WatchOptions = {}): AsyncGenerator<TaskStreamEvent, void, undefined> {
    requireValid('watch options', watchOptions, options)
    if (!this.#isReady()) throw notReady('watch')
    return watchTask(this.#feed, taskId, options)
  }

  /** @throws TaskError `UNKNOWN_TASK_TYPE` if neither this app nor any executor of the last 24 hours has registered it */
  requireTaskType(taskType: string): Promise<void> {
    return this.#creator.requireKnown([taskType])
  }

  /** Largest size of a new task's params, in bytes of JSON. */
  get maxParamsBytes(): number {
    return this.#settings.maxParamsBytes
  }

  /**
   * Calls `listener` for each event of this process: of tasks that it creates, cancels, runs, or ends for a dead executor.
   * The task's row shows it by then. A listener that throws, or whose promise rejects, changes nothing; it is logged once
   * for each cause. Listeners share the event: treat its result as read-only.
   *
   * @param event `created`, `started`, `completed`, `failed` (for good), `retrying`, `cancelled` or `stuck`
   * @returns a function that removes the listener, which is not called again
   * @throws TaskError `INVALID_ARGUMENT` for another event, or a listener that is no function
   */
  on<Name extends TaskEventName>(event: Name, listener: TaskEventListener<Name>): () => void {
    return this.#hostEvents.on(event, listener)
  }

  /** Ends all calls of `waitFor` and `watch` with `SHUTTING_DOWN`, and all streams. */
  close(): void {
    this.#waiters.stop()
    this.#feed.close()
  }
}

/** The subject of a refused create, which has no id: the type, if there is only one. JavaScript may pass anything. */
function nameOf(items: unknown): string | null {
  const tasks = Array.isArray(items) ? items.map((item: { task?: unknown } | null) => item?.task) : []
  const names = new Set(
    tasks.flatMap((task) =>
      typeof task === 'string' ? task : findDefinitions(task).map(({ type }) => type),
    ),
  )
  const [name = null] = names
  return names.size === 1 ? name : null
}
