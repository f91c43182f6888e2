import type { AuditPage, AuditQuery } from '../contract/audit-views.ts'
import type { TaskStreamEvent } from '../contract/events.ts'
import type {
  BulkRequest,
  BulkResponse,
  LogQuery,
  NewScheduleRequest,
  NewTask,
  ScheduleChangeRequest,
  TaskChangeRequest,
  TaskQuery,
} from '../contract/given.ts'
import type { ScheduleTicks, ScheduleView } from '../contract/schedule-views.ts'
import type { TaskList, TaskLogPage } from '../contract/task.ts'
import { checkOptions } from './check-options.ts'
import type { CreatedTask } from './created-task.ts'
import {
  decodeAudit,
  decodeCreated,
  decodeDetail,
  decodeList,
  decodeLogPage,
  decodeSchedule,
  decodeSchedules,
  decodeScheduleTicks,
  requireObject,
} from './decode.ts'
import { FleetMethods } from './fleet-methods.ts'
import { interruptible } from './interruptible.ts'
import { schedulePath, taskPath } from './paths.ts'
import { type CallOptions, Requester, type RequestOptions, type TasksClientOptions } from './request.ts'
import type { DetailOf, NameOf, NewTaskOf } from './typed.ts'
import { type WatchOptions, watchTask } from './watch.ts'
import { type TasksWatchEvent, type WatchTasksOptions, watchTasks } from './watch-all.ts'
import { WATCH_OPTIONS, WATCH_TASKS_OPTIONS } from './watch-options.ts'

export type {
  BulkRequest as BulkTasksRequest,
  LogQuery as TaskLogQuery,
  NewScheduleRequest,
  NewTask,
  ScheduleChangeRequest,
  TaskChangeRequest,
  TaskQuery as TaskListQuery,
} from '../contract/given.ts'
export type { CreatedTask } from './created-task.ts'

/**
 * A method for each REST route. Methods reject with a `TasksApiError`, or with the reason of a `signal` that aborted.
 *
 * @typeParam Handlers the server's handlers, such as `typeof handlers`: params and results then have their types
 */
export class TasksClient<Handlers = unknown> extends FleetMethods {
  readonly #requester: Requester

  constructor(options: TasksClientOptions) {
    const requester = new Requester(options)
    super(requester)
    this.#requester = requester
  }

  /** Lists tasks, newest first: 50 per page by default, at most 200. */
  async listTasks(query: TaskQuery = {}, options?: CallOptions): Promise<TaskList> {
    const { taskId, page = 1, pageSize = 50 } = query
    // An empty list leaves no trace in a query string, which would ask for all tasks.
    if (taskId?.length === 0) return { tasks: [], total: 0, page, pageSize, nextCursor: null }
    return decodeList(await this.#get('/tasks', { ...options, query }))
  }

  /** Creates a task. @throws TasksApiError `UNKNOWN_TASK_TYPE`, `INVALID_PARAMS`, `DUPLICATE_TASK` */
  async createTask<const Name extends NameOf<Handlers>>(
    task: NewTaskOf<Handlers, Name, NewTask>,
    options?: CallOptions,
  ): Promise<DetailOf<Handlers, Name> & { created: boolean; replaced?: boolean }> {
    const created: CreatedTask = decodeCreated(
      await this.#post('/tasks', { ...options, body: task as NewTask }),
    )
    return created as CreatedTask & DetailOf<Handlers, Name>
  }

  /** Reads a task with params, result and attempts. @throws TasksApiError `TASK_NOT_FOUND` */
  async getTask(taskId: string, options?: CallOptions): Promise<DetailOf<Handlers>> {
    return typed<Handlers>(await this.#get(taskPath(taskId), options))
  }

  /**
   * Cancels a pending or running task. A second cancel is not an error.
   *
   * @throws TasksApiError `TASK_NOT_FOUND`, `TASK_ALREADY_FINISHED`, or `CANCEL_PENDING` if an open transaction holds the
   *   task: it becomes cancelled when the transaction ends, unless the transaction completes it
   */
  async cancelTask(taskId: string, options?: CallOptions): Promise<DetailOf<Handlers>> {
    return typed<Handlers>(await this.#post(`${taskPath(taskId)}/cancel`, options))
  }

  /**
   * Changes the given fields of a pending task; new params replace all old ones.
   *
   * @throws TasksApiError `TASK_NOT_FOUND`, `TASK_NOT_PENDING`, `INVALID_PARAMS`, `TASK_BUSY`
   */
  async updateTask(
    taskId: string,
    change: TaskChangeRequest,
    options?: CallOptions,
  ): Promise<DetailOf<Handlers>> {
    const response = await this.#requester.json('PATCH', taskPath(taskId), { ...options, body: change })
    return typed<Handlers>(response)
  }

  /** Makes a pending task due at once. @throws TasksApiError `TASK_NOT_FOUND`, `TASK_NOT_PENDING`, `TASK_BUSY` */
  async runNow(taskId: string, options?: CallOptions): Promise<DetailOf<Handlers>> {
    return typed<Handlers>(await this.#post(`${taskPath(taskId)}/run-now`, options))
  }

  /**
   * Makes a finished task pending again, with all its retries.
   *
   * @param options `from`: `start`, or the name of a finished step, which is forgotten with all that finished after it.
   *   Default: a failed or cancelled task keeps its steps, a completed one starts anew
   * @throws TasksApiError `TASK_NOT_FOUND`, `STEP_NOT_FOUND`, `TASK_NOT_FINISHED`, `TASK_STILL_STOPPING`, `DUPLICATE_TASK`, `TASK_BUSY`
   */
  async retryTask(
    taskId: string,
    { from, ...options }: CallOptions & { from?: string } = {},
  ): Promise<DetailOf<Handlers>> {
    const body = from === undefined ? {} : { body: { from } }
    return typed<Handlers>(await this.#post(`${taskPath(taskId)}/retry`, { ...options, ...body }))
  }

  /** Deletes a finished task. @throws TasksApiError `TASK_NOT_FOUND`, `TASK_NOT_FINISHED`, `TASK_STILL_STOPPING`, `TASK_BUSY` */
  async deleteTask(taskId: string, options?: CallOptions): Promise<void> {
    await this.#requester.json('DELETE', taskPath(taskId), options)
  }

  /** Lists a task's log, oldest line first, or newest with `order: 'desc'`. @throws TasksApiError `TASK_NOT_FOUND` */
  async listLogs(taskId: string, query: LogQuery = {}, options?: CallOptions): Promise<TaskLogPage> {
    return decodeLogPage(await this.#get(`${taskPath(taskId)}/logs`, { ...options, query }))
  }

  /** Cancels, retries or deletes up to 1,000 tasks, and returns the result of each. */
  async bulkTasks(request: BulkRequest, options?: CallOptions): Promise<BulkResponse> {
    return requireObject(await this.#post('/tasks/bulk', { ...options, body: request }))
  }

  /** Lists all schedules. */
  async listSchedules(options?: CallOptions): Promise<ScheduleView[]> {
    return decodeSchedules(await this.#get('/schedules', options)).schedules
  }

  /** @throws TasksApiError `SCHEDULE_NOT_FOUND` */
  async getSchedule(name: string, options?: CallOptions): Promise<ScheduleView> {
    return decodeSchedule(await this.#get(schedulePath(name), options))
  }

  /** @throws TasksApiError `DUPLICATE_SCHEDULE`, `TOO_MANY_SCHEDULES`, `UNKNOWN_TASK_TYPE`, `INVALID_PARAMS` */
  async createSchedule(schedule: NewScheduleRequest, options?: CallOptions): Promise<ScheduleView> {
    return decodeSchedule(await this.#post('/schedules', { ...options, body: schedule }))
  }

  /** Changes the given fields. @throws TasksApiError `SCHEDULE_NOT_FOUND`, `UNKNOWN_TASK_TYPE`, `INVALID_PARAMS`, `SCHEDULE_BUSY` */
  async changeSchedule(
    name: string,
    change: ScheduleChangeRequest,
    options?: CallOptions,
  ): Promise<ScheduleView> {
    const response = await this.#requester.json('PATCH', schedulePath(name), { ...options, body: change })
    return decodeSchedule(response)
  }

  /** Deletes a schedule, but not its tasks. @throws TasksApiError `SCHEDULE_NOT_FOUND`, `SCHEDULE_BUSY` */
  async deleteSchedule(name: string, options?: CallOptions): Promise<void> {
    await this.#requester.json('DELETE', schedulePath(name), options)
  }

  /** Creates a task of the schedule now. @throws TasksApiError `SCHEDULE_NOT_FOUND`, `INVALID_PARAMS` */
  async runSchedule(name: string, options?: CallOptions): Promise<CreatedTask> {
    return decodeCreated(await this.#post(`${schedulePath(name)}/run`, options))
  }

  /** Lists the newest and the next ticks of all schedules, by name. */
  async listScheduleTicks(options?: CallOptions): Promise<ScheduleTicks[]> {
    return decodeScheduleTicks(await this.#get('/schedule-ticks', options)).schedules
  }

  /** Lists who changed what, newest first, 100 per page, refused changes included. For admins and viewers. */
  async listAudit(query: AuditQuery = {}, options?: CallOptions): Promise<AuditPage> {
    return decodeAudit(await this.#get('/audit', { ...options, query }))
  }

  /**
   * Follows a task until it has ended; the last event is `end`. Log lines arrive in the order of their ids, each once. It
   * reconnects after failures, and polls where streams are blocked.
   *
   * @throws TasksApiError a final error: `TASK_NOT_FOUND` (also if the task is deleted), 401, or 403
   */
  watch(
    taskId: string,
    options: WatchOptions = {},
  ): AsyncGenerator<TaskStreamEvent<DetailOf<Handlers>>, void, undefined> {
    checkOptions('watch', options, WATCH_OPTIONS)
    const events = interruptible(options, (each) => watchTask(this.#requester, taskId, each))
    return events as AsyncGenerator<TaskStreamEvent<DetailOf<Handlers>>, void, undefined>
  }

  /**
   * Follows all tasks, or those of one creator: first the running ones, then every change. It ends only when `signal`
   * aborts. For a caller with the role `owner`, all tasks are its own.
   *
   * @throws TasksApiError a final error, such as 401 or 403
   */
  watchAll(options: WatchTasksOptions = {}): AsyncGenerator<TasksWatchEvent, void, undefined> {
    checkOptions('watchAll', options, WATCH_TASKS_OPTIONS)
    return interruptible(options, (each) => watchTasks(this.#requester, each))
  }

  #get(path: string, options?: RequestOptions): Promise<unknown> {
    return this.#requester.json('GET', path, options)
  }

  #post(path: string, options?: RequestOptions): Promise<unknown> {
    return this.#requester.json('POST', path, options)
  }
}

/** A client of any handlers. */
// biome-ignore lint/suspicious/noExplicitAny: only `any` accepts a client of each list of handlers
export type AnyTasksClient = TasksClient<any>

/**
 * Creates a client of the REST interface. `createTasksClient<typeof handlers>(options)`, with the server's handlers as a
 * list or as an object, knows params and results by the task's type; import them as types alone.
 *
 * @throws TypeError for an invalid option
 */
export function createTasksClient<Handlers = unknown>(options: TasksClientOptions): TasksClient<Handlers> {
  return new TasksClient(options)
}

/** What a task of these handlers is, only the server knows: it has run them. */
function typed<Handlers>(response: unknown): DetailOf<Handlers> {
  return decodeDetail(response) as DetailOf<Handlers>
}
