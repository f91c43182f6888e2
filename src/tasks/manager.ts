import type { ListLogsQuery, ListTasksQuery } from '../contract/requests.ts'
import { MAX_EXACT_TOTAL } from '../contract/requests.ts'
import type {
  ExecutorView,
  LogLevel,
  TaskDetail,
  TaskList,
  TaskLogPage,
  TaskTypeView,
} from '../contract/task.ts'
import type { Database } from '../db/database.ts'
import { logLine, logQuery, progressReport, requireValid, taskQuery, waitOptions } from './arguments.ts'
import {
  type CreatedTask,
  type CreateTaskOptions,
  describeType,
  type EndedTask,
  type NewTaskItems,
} from './create-options.ts'
import { TaskCreator } from './creator.ts'
import { decodeCursor, encodeCursor } from './cursor.ts'
import { TaskError } from './errors.ts'
import type { TaskEvents } from './events.ts'
import { isFinished } from './lifecycle.ts'
import { keepParts, type ManagerParts } from './manager-parts.ts'
import { toStorable } from './outcome.ts'
import { Redaction } from './redaction.ts'
import type { TaskSettings } from './settings.ts'
import { listExecutors } from './store/executors.ts'
import { cancelTask, deleteTask, retryTask } from './store/operate.ts'
import { appendLogs, updateProgress } from './store/output.ts'
import { countLogs, countTasks, findStatuses, findTask, listLogs, listTasks } from './store/read.ts'
import { toDetail, toSummary } from './store/rows.ts'
import {
  type AnyTask,
  type CreateArguments,
  requireTypeOf,
  type TaskDefinition,
  type TaskReference,
} from './task.ts'
import { Waiters, type WaitOptions } from './waiters.ts'

export type {
  CreatedTask,
  CreateTaskOptions,
  EndedTask,
  NewTaskItem,
  NewTaskItems,
} from './create-options.ts'
export type { WaitOptions } from './waiters.ts'

export type TaskQuery = Partial<ListTasksQuery>
export type LogQuery = Partial<ListLogsQuery>

/** Task ids are `task_` and letters or digits; nothing else can name a row. */
const TASK_ID = /^task_[A-Za-z0-9]{1,45}$/

const DEFAULT_PAGE_SIZE = 50

/**
 * What routes and applications call: creates, reads and steers tasks. It holds no state of theirs; every
 * transition is one guarded statement in the store.
 */
export class TaskManager {
  readonly #db: Database
  readonly #settings: TaskSettings
  readonly #definitions: ReadonlyMap<string, TaskDefinition>
  readonly #events: TaskEvents
  readonly #creator: TaskCreator
  readonly #redaction: Redaction
  readonly #waiters: Waiters

  constructor(options: ManagerParts) {
    keepParts(this, options)
    this.#db = options.db
    this.#settings = options.settings
    this.#definitions = options.definitions
    this.#events = options.events
    this.#creator = new TaskCreator(options)
    this.#redaction = new Redaction(options.settings.redact, options.definitions)
    this.#waiters = new Waiters(options.db, options.events, options.settings.pollIntervalMs)
  }

  /**
   * Creates a task and resolves once its row is durable; with `tx`, once it is written in that transaction.
   *
   * @param task a handler, or a type's name; the params of an unregistered name are checked where it runs
   * @throws TaskError `INVALID_PARAMS`, `INVALID_ARGUMENT`, `DUPLICATE_TASK` where `onDuplicate` is `reject`, or
   *   `UNIQUE_KEY_BUSY` when a transaction holds the key and does not end for half a lease (at most 30 s)
   */
  createTask<T extends TaskReference>(
    task: T,
    ...[params, options = {}]: CreateArguments<T, CreateTaskOptions>
  ): Promise<CreatedTask> {
    const { tx, ...others } = options
    return this.#creator.create({ ...others, task, ...(params === undefined ? {} : { params }) }, tx)
  }

  /** Creates many tasks, of any types: all of them or none. One answer each, in their order. */
  async createTasks<const T extends readonly TaskReference[]>(
    items: NewTaskItems<T>,
    { tx }: Pick<CreateTaskOptions, 'tx'> = {},
  ): Promise<{ [Index in keyof T]: CreatedTask }> {
    // As many as there are items: a mapped tuple type says so, an array of rows cannot.
    return (await this.#creator.createAll(items, tx)) as { [Index in keyof T]: CreatedTask }
  }

  /** Undefined when there is none. */
  async getTask(taskId: string): Promise<TaskDetail | undefined> {
    const task = TASK_ID.test(taskId) ? await findTask(this.#db, taskId) : undefined
    return task && this.#redaction.hide(task)
  }

  /**
   * Tasks, newest first.
   *
   * @throws TaskError `INVALID_ARGUMENT`, also for a cursor that no page gave out
   */
  async listTasks(query: TaskQuery = {}): Promise<TaskList> {
    requireValid('list query', taskQuery, query)
    const { page = 1, pageSize = DEFAULT_PAGE_SIZE, cursor, ...filter } = query
    const after = cursor === undefined ? undefined : decodeCursor(cursor)
    const offset = after ? 0 : (page - 1) * pageSize
    // One more than the page tells whether another one follows.
    const [rows, count] = await Promise.all([
      listTasks(this.#db, filter, { limit: pageSize + 1, offset, after }),
      countTasks(this.#db, filter),
    ])
    const shown = rows.slice(0, pageSize)
    const last = shown.at(-1)
    return {
      tasks: shown.map(({ id: _id, createdAtMicros: _micros, ...row }) => toSummary(row)),
      total: Math.min(count, MAX_EXACT_TOTAL),
      ...(count > MAX_EXACT_TOTAL ? { totalIsEstimate: true as const } : {}),
      page,
      pageSize,
      nextCursor: rows.length > pageSize && last ? encodeCursor(last) : null,
    }
  }

  /**
   * Cancels a pending or running task; a running handler's signal aborts. Cancelling twice is no error.
   *
   * @throws TaskError `TASK_NOT_FOUND`, `TASK_ALREADY_FINISHED`
   */
  async cancelTask(taskId: string): Promise<TaskDetail> {
    const run = TASK_ID.test(taskId) ? await cancelTask(this.#db, taskId) : undefined
    if (run) this.#events.emit('cancelled', { taskId, attempt: run.attempt })
    const task = await this.#require(taskId)
    if (!run && task.status !== 'cancelled') {
      throw new TaskError('TASK_ALREADY_FINISHED', `${taskId} is already ${task.status}`)
    }
    return task
  }

  /**
   * Makes a finished task pending again, with all its retries.
   *
   * @throws TaskError `TASK_NOT_FOUND`, `TASK_NOT_FINISHED`, `TASK_STILL_STOPPING` while the handler of its last
   *   attempt has not returned in a living executor, or `DUPLICATE_TASK` while another task has its unique key
   */
  async retryTask(taskId: string): Promise<TaskDetail> {
    const pending = TASK_ID.test(taskId) ? await retryTask(this.#db, taskId) : undefined
    const task = await this.#require(taskId)
    if (pending) {
      this.#events.emit('created', { taskIds: [taskId], taskTypes: [task.taskType], dueNow: true })
      // By now it may run again: the answer is what this call has made of it.
      const attempts = task.attempts.filter(({ attempt }) => attempt <= pending.attempt)
      return { ...toDetail(pending, null, attempts), params: task.params }
    }
    if (!isFinished(task.status)) throw new TaskError('TASK_NOT_FINISHED', `${taskId} is ${task.status}`)
    throw new TaskError(
      'TASK_STILL_STOPPING',
      `the handler of ${taskId} has not returned yet; try again later`,
    )
  }

  /** @throws TaskError `TASK_NOT_FOUND`, `TASK_NOT_FINISHED` */
  async deleteTask(taskId: string): Promise<void> {
    if (TASK_ID.test(taskId) && (await deleteTask(this.#db, taskId))) return
    const { status } = await this.#require(taskId)
    throw new TaskError('TASK_NOT_FINISHED', `${taskId} is ${status}; cancel it first`)
  }

  /**
   * Reports progress of a running task from outside its handler.
   *
   * @param current integer, 0 … total; never lowers what was reported before
   * @throws TaskError `TASK_NOT_FOUND`, `TASK_NOT_RUNNING`, `INVALID_ARGUMENT`
   */
  async updateProgress(taskId: string, current: number, total?: number, step?: string): Promise<TaskDetail> {
    requireValid('progress', progressReport, { current, total, step })
    const progress = {
      current,
      total: total ?? null,
      step: step === undefined ? null : toStorable(step.slice(0, 200)),
    }
    const written = TASK_ID.test(taskId) && (await updateProgress(this.#db, taskId, progress))
    const task = await this.#require(taskId)
    if (!written) throw new TaskError('TASK_NOT_RUNNING', `${taskId} is ${task.status}`)
    return task
  }

  /**
   * Adds a line to a task's log, whatever its status.
   *
   * @throws TaskError `TASK_NOT_FOUND`, `INVALID_ARGUMENT`
   */
  async logMessage(taskId: string, level: LogLevel, message: string): Promise<void> {
    requireValid('log line', logLine, { level, message })
    const line = {
      taskId,
      attempt: null,
      level,
      message: toStorable(message.slice(0, 10_000)),
      data: null,
      ageMs: 0,
    }
    const written = TASK_ID.test(taskId) && (await appendLogs(this.#db, [line])) > 0
    if (!written) throw notFound(taskId)
  }

  /**
   * A task's log, oldest line first unless `order` says otherwise.
   *
   * @throws TaskError `TASK_NOT_FOUND`, `INVALID_ARGUMENT`
   */
  async listLogs(taskId: string, query: LogQuery = {}): Promise<TaskLogPage> {
    requireValid('log query', logQuery, query)
    // Not the whole task: whoever follows a log would read its params with every page.
    const exists = TASK_ID.test(taskId) && (await findStatuses(this.#db, [taskId])).has(taskId)
    if (!exists) throw notFound(taskId)
    const { page = 1, pageSize = DEFAULT_PAGE_SIZE, order = 'asc', ...filter } = query
    const [rows, total] = await Promise.all([
      listLogs(this.#db, taskId, filter, { limit: pageSize, offset: (page - 1) * pageSize, order }),
      countLogs(this.#db, taskId, filter),
    ])
    const logs = rows.map(({ data, ...line }) => (data === null ? line : { ...line, data: JSON.parse(data) }))
    return { logs, total, page, pageSize }
  }

  /**
   * Resolves to the task at any end of it. With `task`, its handler, the result has the type of what that returns.
   *
   * @throws TaskError `WAIT_TIMEOUT`, `TASK_NOT_FOUND` (also when it is deleted meanwhile), `SHUTTING_DOWN`,
   *   `INVALID_ARGUMENT`
   */
  async waitFor<T extends AnyTask = AnyTask>(
    taskId: string,
    options: WaitOptions & { task?: T } = {},
  ): Promise<EndedTask<T>> {
    requireValid('wait options', waitOptions, options)
    const look = async () => {
      const task = await this.#require(taskId)
      if (options.task) requireTypeOf(options.task, task)
      return isFinished(task.status) ? task : undefined
    }
    // Stored by the handler that the type is checked against.
    return (await this.#waiters.wait(taskId, look, options)) as EndedTask<T>
  }

  /** The registered types, with the defaults that apply here. */
  listTaskTypes(): TaskTypeView[] {
    return [...this.#definitions.values()].map((definition) => describeType(definition, this.#settings))
  }

  /** @throws TaskError `UNKNOWN_TASK_TYPE` when this app has no handler for the type */
  requireTaskType(taskType: string): void {
    if (this.#definitions.has(taskType)) return
    const known = [...this.#definitions.keys()].join(', ') || 'none'
    throw new TaskError(
      'UNKNOWN_TASK_TYPE',
      `task type '${taskType}' is not registered; registered: ${known}`,
      {
        problems: [{ pointer: '/taskType', detail: `must be one of: ${known}` }],
      },
    )
  }

  /** What a request that creates a task may have to carry. */
  get maxParamsBytes(): number {
    return this.#settings.maxParamsBytes
  }

  listExecutors(): Promise<ExecutorView[]> {
    return listExecutors(this.#db)
  }

  /** Ends waits; they reject with `SHUTTING_DOWN`. */
  close(): void {
    this.#waiters.stop()
  }

  async #require(taskId: string): Promise<TaskDetail> {
    const task = await this.getTask(taskId)
    if (!task) throw notFound(taskId)
    return task
  }
}

function notFound(taskId: string): TaskError {
  return new TaskError('TASK_NOT_FOUND', `there is no task ${JSON.stringify(taskId)}`)
}
