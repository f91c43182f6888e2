import type { BulkAnswer, BulkRequest } from '../../contract/bulk.ts'
import type { ListLogsQuery, ListTasksQuery } from '../../contract/requests.ts'
import { MAX_EXACT_TOTAL } from '../../contract/requests.ts'
import type { ScheduleView } from '../../contract/schedule.ts'
import type { TaskStats } from '../../contract/stats.ts'
import type {
  ExecutorView,
  LogLevel,
  TaskDetail,
  TaskList,
  TaskLogPage,
  TaskTypeView,
} from '../../contract/task.ts'
import type { Database } from '../../db/database.ts'
import {
  logLine,
  logQuery,
  progressReport,
  requireCreateOptions,
  requireValid,
  taskQuery,
  waitOptions,
} from '../create/arguments.ts'
import { TaskCreator } from '../create/creator.ts'
import { keepParts, type ManagerOptions } from '../create/manager-parts.ts'
import { TaskFactory } from '../create/new-task.ts'
import type { CreatedTask, CreateTaskOptions, EndedTask, NewTaskItems } from '../definition/create-options.ts'
import { TaskError } from '../definition/errors.ts'
import { isFinished, TASK_ID } from '../definition/lifecycle.ts'
import { toStorable } from '../definition/outcome.ts'
import { Redaction } from '../definition/redaction.ts'
import type { TaskSettings } from '../definition/settings.ts'
import { requireTypeOf } from '../definition/task.ts'
import type { AnyTask, CreateArguments, TaskReference } from '../definition/task-reference.ts'
import { LogCap } from '../maintenance/log-cap.ts'
import { orBusy } from '../runtime/busy.ts'
import { defineSchedule, type ScheduleChanges, type ScheduleOptions } from '../schedules/schedule-options.ts'
import { Schedules } from '../schedules/schedules.ts'
import { listExecutors } from '../store/executors.ts'
import { appendLogs, updateProgress } from '../store/output.ts'
import {
  countLogs,
  countTasks,
  findStatuses,
  findTask,
  listLogs,
  listTasks,
  searchIds,
} from '../store/read.ts'
import { toDetail, toLogLine, toSummary } from '../store/rows.ts'
import { runBulk } from './bulk.ts'
import { decodeCursor, encodeCursor } from './cursor.ts'
import { Statistics } from './statistics.ts'
import { type SteeringContext, steerOne } from './steering.ts'
import { TaskTypes } from './task-types.ts'
import { Waiters, type WaitOptions } from './waiters.ts'

export type {
  CreatedTask,
  CreateTaskOptions,
  EndedTask,
  NewTaskItem,
  NewTaskItems,
} from '../definition/create-options.ts'
export type { WaitOptions } from './waiters.ts'

/** Filter and page of `listTasks`. */
export type TaskQuery = Partial<ListTasksQuery>
/** Filter and page of `listLogs`. */
export type LogQuery = Partial<ListLogsQuery>

const DEFAULT_PAGE_SIZE = 50

/** Creates, reads and changes tasks: `app.tasks`. Every change of a task is one guarded statement in the store. */
export class TaskManager {
  readonly #db: Database
  readonly #settings: TaskSettings
  readonly #creator: TaskCreator
  readonly #schedules: Schedules
  readonly #redaction: Redaction
  readonly #types: TaskTypes
  readonly #waiters: Waiters
  readonly #statistics: Statistics
  readonly #logCap: LogCap
  readonly #steering: SteeringContext

  constructor(options: ManagerOptions) {
    const redaction = new Redaction(options.settings.redact, options.definitions)
    const factory = new TaskFactory({ ...options, redaction })
    const parts = { ...options, redaction, factory }
    keepParts(this, parts)
    this.#db = options.db
    this.#settings = options.settings
    this.#creator = new TaskCreator(parts)
    this.#redaction = redaction
    this.#schedules = new Schedules({ ...parts, creator: this.#creator })
    this.#types = new TaskTypes(options)
    this.#waiters = new Waiters(options.db, options.events, options.settings.pollIntervalMs, (task) =>
      this.#redaction.hide(task),
    )
    this.#statistics = new Statistics(options.db)
    this.#steering = { db: options.db, events: options.events, isWaiting: false }
    this.#logCap = new LogCap(options.db, options.events, options.settings.maxLogLines)
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
    const { tx, ...others } = requireCreateOptions(options)
    return this.#creator.create({ ...others, task, ...(params === undefined ? {} : { params }) }, tx)
  }

  /** Creates many tasks of any types, all or none, and returns them in the order of the items. Throws as `createTask`. */
  async createTasks<const T extends readonly TaskReference[]>(
    items: NewTaskItems<T>,
    options: Pick<CreateTaskOptions, 'tx'> = {},
  ): Promise<{ [Index in keyof T]: CreatedTask }> {
    // As many as there are items: a mapped tuple type says so, an array of rows cannot.
    return (await this.#creator.createAll(items, options)) as { [Index in keyof T]: CreatedTask }
  }

  /** Resolves to the task with params, result and attempts, or to undefined if there is none. */
  async getTask(taskId: string): Promise<TaskDetail | undefined> {
    const task = TASK_ID.test(taskId) ? await findTask(this.#db, taskId) : undefined
    return task && this.#redaction.hide(task)
  }

  /**
   * Lists tasks, newest first, 50 per page by default and 200 at most. `total` is exact up to 10,000.
   *
   * @throws TaskError `INVALID_ARGUMENT`, also for a cursor that is not the `nextCursor` of a page
   */
  async listTasks(query: TaskQuery = {}): Promise<TaskList> {
    requireValid('list query', taskQuery, query)
    const { page = 1, pageSize = DEFAULT_PAGE_SIZE, cursor, ...filter } = query
    const after = cursor === undefined ? undefined : decodeCursor(cursor)
    const offset = after ? 0 : (page - 1) * pageSize
    const search = await searchIds(this.#db, filter.q)
    // One more than the page tells whether another one follows.
    const [rows, count] = await Promise.all([
      listTasks(this.#db, filter, { limit: pageSize + 1, offset, after }, search),
      countTasks(this.#db, filter, search),
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
   * Cancels a pending or running task and aborts the signal of its handler. A second cancel is not an error.
   *
   * @throws TaskError `TASK_NOT_FOUND`, `TASK_ALREADY_FINISHED`, or `CANCEL_PENDING` if an open transaction holds the row
   *   for longer than 0.7 s: the signal is aborted, and the task becomes cancelled when the transaction ends, unless the
   *   transaction completes it
   */
  async cancelTask(taskId: string): Promise<TaskDetail> {
    await steerOne(this.#steering, 'cancel', taskId)
    return this.#require(taskId)
  }

  /**
   * Makes a finished task pending again, with all its retries.
   *
   * @throws TaskError `TASK_NOT_FOUND`, `TASK_NOT_FINISHED`, `TASK_STILL_STOPPING` while a live executor still runs the
   *   handler of its last attempt, `DUPLICATE_TASK` while another task has its unique key, or `TASK_BUSY` if an open
   *   transaction holds the row for longer than 0.7 s
   */
  async retryTask(taskId: string): Promise<TaskDetail> {
    const [pending] = (await steerOne(this.#steering, 'retry', taskId)).pending
    const task = await this.#require(taskId)
    if (!pending) return task
    // By now it may run again: the answer is what this call has made of it.
    const attempts = task.attempts.filter(({ attempt }) => attempt <= pending.attempt)
    return { ...toDetail(pending, null, attempts), params: task.params }
  }

  /** Deletes a finished task. @throws TaskError `TASK_NOT_FOUND`, `TASK_NOT_FINISHED`, `TASK_BUSY` as `retryTask` */
  async deleteTask(taskId: string): Promise<void> {
    await steerOne(this.#steering, 'delete', taskId)
  }

  /**
   * Cancels, retries or deletes up to 1,000 tasks: those in `taskIds`, or the newest that match `filter` and allow the
   * action. Returns the result of each; `more` is true if another call would find more. `dryRun` changes nothing.
   *
   * @throws TaskError `INVALID_ARGUMENT`
   */
  bulk(request: BulkRequest): Promise<BulkAnswer> {
    return runBulk(this.#steering, request)
  }

  /**
   * Counts tasks by status and type, the longest wait of a due task, and the tasks that ended in each minute of the last
   * hour. Refreshed at most once a second. If `isEstimate` is true, large counts of finished tasks are estimates.
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
    requireValid('progress', progressReport, { current, total, step })
    const progress = {
      current,
      total: total ?? null,
      step: step === undefined ? null : toStorable(step.slice(0, 200)),
    }
    const written =
      TASK_ID.test(taskId) && (await orBusy('TASK_BUSY', taskId, updateProgress(this.#db, taskId, progress)))
    const task = await this.#require(taskId)
    if (!written) throw new TaskError('TASK_NOT_RUNNING', `${taskId} is ${task.status}`)
    return task
  }

  /**
   * Adds a line to the log of a task in any status; at most 10,000 characters are kept.
   *
   * @throws TaskError `TASK_NOT_FOUND`, `TASK_BUSY` if an open transaction locks the row for update, `INVALID_ARGUMENT`
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
    if (!TASK_ID.test(taskId)) throw notFound(taskId)
    let appended = await appendLogs(this.#db, [line])
    if (appended.locked.size > 0) {
      appended = await orBusy('TASK_BUSY', taskId, appendLogs(this.#db, [line], 'wait'))
    }
    if (appended.written.size === 0) throw notFound(taskId)
    await this.#logCap.afterWrite([line])
  }

  /**
   * Lists the lines of a task's log, oldest first, or newest first with `order: 'desc'`; 50 per page by default.
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
    return { logs: rows.map(toLogLine), total, page, pageSize }
  }

  /**
   * Waits until the task has ended; in another process, up to `pollIntervalMs` longer. With its handler as `task`, the
   * result is typed.
   *
   * @throws TaskError `WAIT_TIMEOUT`, `TASK_NOT_FOUND` (also if it is deleted), `SHUTTING_DOWN`, `INVALID_ARGUMENT`
   */
  async waitFor<T extends AnyTask = AnyTask>(
    taskId: string,
    options: WaitOptions & { task?: T } = {},
  ): Promise<EndedTask<T>> {
    requireValid('wait options', waitOptions, options)
    if (!TASK_ID.test(taskId)) throw notFound(taskId)
    const examine = (task: TaskDetail | undefined) => {
      if (!task) throw notFound(taskId)
      if (options.task) requireTypeOf(options.task, task)
      return isFinished(task.status) ? task : undefined
    }
    // Stored by the handler that the type is checked against.
    return (await this.#waiters.wait(taskId, examine, options)) as EndedTask<T>
  }

  /** Lists the types that this app has registered, with their defaults in this process, and whether they are paused. */
  listTaskTypes(): Promise<TaskTypeView[]> {
    return this.#types.list()
  }

  /**
   * Pauses a type in all processes. Once this resolves, none of its tasks starts; running ones continue.
   *
   * @throws TaskError `UNKNOWN_TASK_TYPE` if neither this app nor any executor has registered the type
   */
  pauseTaskType(taskType: string): Promise<TaskTypeView> {
    return this.#types.pause(taskType)
  }

  /** Ends a pause. @throws TaskError `UNKNOWN_TASK_TYPE` */
  resumeTaskType(taskType: string): Promise<TaskTypeView> {
    return this.#types.resume(taskType)
  }

  /** @throws TaskError `UNKNOWN_TASK_TYPE` if neither this app nor any executor of the last 24 hours has registered it */
  requireTaskType(taskType: string): Promise<void> {
    return this.#creator.requireKnown([taskType])
  }

  /** Largest size of a new task's params, in bytes of JSON. */
  get maxParamsBytes(): number {
    return this.#settings.maxParamsBytes
  }

  /** Lists executors with their slots, running tasks and the age of their heartbeats. */
  listExecutors(): Promise<ExecutorView[]> {
    return listExecutors(this.#db)
  }

  /**
   * Creates a schedule, which creates one task at each tick. At most 1,000 schedules exist.
   *
   * @throws TaskError `DUPLICATE_SCHEDULE`, `TOO_MANY_SCHEDULES`, `UNKNOWN_TASK_TYPE`, `INVALID_PARAMS`, or
   *   `INVALID_ARGUMENT`, also for a cron expression that is invalid or never fires, or an unknown time zone
   */
  createSchedule<const T extends TaskReference>(schedule: ScheduleOptions<T>): Promise<ScheduleView> {
    return this.#schedules.create(defineSchedule(schedule))
  }

  /**
   * Changes the given fields. If the expression, time zone or `enabled` changes, the next tick is the first one from now.
   *
   * @throws TaskError `SCHEDULE_NOT_FOUND`, `UNKNOWN_TASK_TYPE`, `INVALID_PARAMS`, `INVALID_ARGUMENT`
   */
  updateSchedule<const T extends TaskReference>(
    name: string,
    changes: ScheduleChanges<T>,
  ): Promise<ScheduleView> {
    return this.#schedules.update(name, changes)
  }

  /** Deletes a schedule, but not its tasks. @throws TaskError `SCHEDULE_NOT_FOUND` */
  deleteSchedule(name: string): Promise<void> {
    return this.#schedules.delete(name)
  }

  /** Resolves to undefined if there is no such schedule. */
  getSchedule(name: string): Promise<ScheduleView | undefined> {
    return this.#schedules.find(name)
  }

  /** Lists all schedules, ordered by name. */
  listSchedules(): Promise<ScheduleView[]> {
    return this.#schedules.list()
  }

  /**
   * Creates a task of the schedule now, even if it is disabled. The next tick does not change.
   *
   * @throws TaskError `SCHEDULE_NOT_FOUND`, `UNKNOWN_TASK_TYPE`, `INVALID_PARAMS`
   */
  runSchedule(name: string, options: { createdBy?: string | null } = {}): Promise<CreatedTask> {
    return this.#schedules.run(name, options)
  }

  /** Writes the schedules that an app's code declares; see the plugin's option `schedules`. */
  declareSchedules(schedules: readonly ScheduleOptions[]): Promise<void> {
    return this.#schedules.declare(schedules)
  }

  /** Rejects all `waitFor` calls with `SHUTTING_DOWN`. */
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
