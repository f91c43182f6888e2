import type { z } from 'zod'
import type { BulkAnswer, bulkBody } from '../contract/bulk.ts'
import type { TaskStreamEvent } from '../contract/events.ts'
import type { createTaskBody, listLogsQuery, listTasksQuery } from '../contract/requests.ts'
import type { changeScheduleBody, createScheduleBody, ScheduleView } from '../contract/schedule.ts'
import type { Credentials, SessionView, UserView } from '../contract/session.ts'
import type { TaskStats } from '../contract/stats.ts'
import type { ExecutorView, TaskDetail, TaskList, TaskLogPage, TaskTypeView } from '../contract/task.ts'
import { checkOptions } from './check-options.ts'
import {
  decodeCreated,
  decodeDetail,
  decodeExecutors,
  decodeList,
  decodeLogPage,
  decodeSchedule,
  decodeSchedules,
  decodeStats,
  requireObject,
} from './decode.ts'
import { interruptible } from './interruptible.ts'
import { type CallOptions, Requester, type RequestOptions, type TasksClientOptions } from './request.ts'
import { type WatchAllOptions, type WatchOptions, watchTask } from './watch.ts'
import { type TasksWatchEvent, watchTasks } from './watch-all.ts'

/** What a schema takes: what has a default may be left out, instants are dates. */
type Given<S extends z.ZodType> = {
  [K in keyof z.input<S>]: K extends keyof z.output<S> ? z.output<S>[K] : never
}

export type NewTask = Given<typeof createTaskBody>
export type TaskListQuery = Given<typeof listTasksQuery>
export type TaskLogQuery = Given<typeof listLogsQuery>
export type NewScheduleRequest = Given<typeof createScheduleBody>
export type ScheduleChangeRequest = Given<typeof changeScheduleBody>
type BulkBody = Given<typeof bulkBody>
export interface BulkTasksRequest extends Omit<BulkBody, 'filter'> {
  filter?: Omit<TaskListQuery, 'page' | 'pageSize' | 'cursor'>
}
/** `created` is false where a unique key found a task that was there already. */
export type CreatedTask = TaskDetail & { created: boolean }

const WATCH_ALL_OPTIONS: (keyof WatchAllOptions)[] = ['signal', 'pollIntervalMs', 'onConnection']
const WATCH_OPTIONS: (keyof WatchOptions)[] = [...WATCH_ALL_OPTIONS, 'afterId', 'logs']

/** The REST interface as functions. Whatever goes wrong is a `TasksApiError`, but for a signal that aborted. */
export class TasksClient {
  readonly #requester: Requester

  constructor(options: TasksClientOptions) {
    this.#requester = new Requester(options)
  }

  /** A page of tasks, newest first. */
  async listTasks(query: TaskListQuery = {}, options?: CallOptions): Promise<TaskList> {
    return decodeList(await this.#get('/tasks', { ...options, query }))
  }

  /** @throws TasksApiError `UNKNOWN_TASK_TYPE`, `INVALID_PARAMS`, `DUPLICATE_TASK` */
  async createTask(task: NewTask, options?: CallOptions): Promise<CreatedTask> {
    return decodeCreated(await this.#post('/tasks', { ...options, body: task }))
  }

  /** @throws TasksApiError `TASK_NOT_FOUND` */
  async getTask(taskId: string, options?: CallOptions): Promise<TaskDetail> {
    return decodeDetail(await this.#get(taskPath(taskId), options))
  }

  /**
   * Cancelling twice is no error.
   *
   * @throws TasksApiError `TASK_NOT_FOUND`, `TASK_ALREADY_FINISHED`; `CANCEL_PENDING` where a transaction holds the
   *   task: it becomes cancelled when that has ended, unless it completes the task
   */
  async cancelTask(taskId: string, options?: CallOptions): Promise<TaskDetail> {
    return decodeDetail(await this.#post(`${taskPath(taskId)}/cancel`, options))
  }

  /** @throws TasksApiError `TASK_NOT_FOUND`, `TASK_NOT_FINISHED`, `TASK_STILL_STOPPING`, `DUPLICATE_TASK`, `TASK_BUSY` */
  async retryTask(taskId: string, options?: CallOptions): Promise<TaskDetail> {
    return decodeDetail(await this.#post(`${taskPath(taskId)}/retry`, options))
  }

  /** @throws TasksApiError `TASK_NOT_FOUND`, `TASK_NOT_FINISHED`, `TASK_BUSY` */
  async deleteTask(taskId: string, options?: CallOptions): Promise<void> {
    await this.#requester.json('DELETE', taskPath(taskId), options)
  }

  /** A page of a task's log, oldest line first unless `order` says otherwise. */
  async listLogs(taskId: string, query: TaskLogQuery = {}, options?: CallOptions): Promise<TaskLogPage> {
    return decodeLogPage(await this.#get(`${taskPath(taskId)}/logs`, { ...options, query }))
  }

  /** Cancels, retries or deletes up to 1,000 tasks; each has its own answer. */
  async bulkTasks(request: BulkTasksRequest, options?: CallOptions): Promise<BulkAnswer> {
    return requireObject(await this.#post('/tasks/bulk', { ...options, body: request }))
  }

  async getStats(options?: CallOptions): Promise<TaskStats> {
    return decodeStats(await this.#get('/tasks/stats', options))
  }

  async listTaskTypes(options?: CallOptions): Promise<TaskTypeView[]> {
    return requireObject<{ taskTypes: TaskTypeView[] }>(await this.#get('/task-types', options)).taskTypes
  }

  /** Tasks of this type are not started until it is resumed; those that run go on. */
  async pauseTaskType(taskType: string, options?: CallOptions): Promise<TaskTypeView> {
    return requireObject(await this.#post(`/task-types/${encodeURIComponent(taskType)}/pause`, options))
  }

  async resumeTaskType(taskType: string, options?: CallOptions): Promise<TaskTypeView> {
    return requireObject(await this.#post(`/task-types/${encodeURIComponent(taskType)}/resume`, options))
  }

  async listExecutors(options?: CallOptions): Promise<ExecutorView[]> {
    return decodeExecutors(await this.#get('/executors', options)).executors
  }

  async listSchedules(options?: CallOptions): Promise<ScheduleView[]> {
    return decodeSchedules(await this.#get('/schedules', options)).schedules
  }

  /** @throws TasksApiError `SCHEDULE_NOT_FOUND` */
  async getSchedule(name: string, options?: CallOptions): Promise<ScheduleView> {
    return decodeSchedule(await this.#get(schedulePath(name), options))
  }

  async createSchedule(schedule: NewScheduleRequest, options?: CallOptions): Promise<ScheduleView> {
    return decodeSchedule(await this.#post('/schedules', { ...options, body: schedule }))
  }

  async changeSchedule(
    name: string,
    change: ScheduleChangeRequest,
    options?: CallOptions,
  ): Promise<ScheduleView> {
    const answer = await this.#requester.json('PATCH', schedulePath(name), { ...options, body: change })
    return decodeSchedule(answer)
  }

  async deleteSchedule(name: string, options?: CallOptions): Promise<void> {
    await this.#requester.json('DELETE', schedulePath(name), options)
  }

  /** Creates the schedule's task now, whatever its cron says. */
  async runSchedule(name: string, options?: CallOptions): Promise<CreatedTask> {
    return decodeCreated(await this.#post(`${schedulePath(name)}/run`, options))
  }

  /** Of the bundled server: a browser gets a session cookie with it, a program uses the token. */
  async login(credentials: Credentials, options?: CallOptions): Promise<SessionView> {
    return requireObject(await this.#post('/auth/login', { ...options, body: credentials }))
  }

  async logout(options?: CallOptions): Promise<void> {
    await this.#post('/auth/logout', options)
  }

  /** Who is logged in. @throws TasksApiError 401 when nobody is */
  async me(options?: CallOptions): Promise<UserView> {
    return requireObject<{ user: UserView }>(await this.#get('/auth/me', options)).user
  }

  /**
   * Follows one task until it has ended, which `end` says. Lines come in the order of their ids, each once, over any
   * number of lost connections; where streams do not work, by polling.
   *
   * @throws TasksApiError what no further try can mend: `TASK_NOT_FOUND`, also when it is deleted; 401; 403
   */
  watch(taskId: string, options: WatchOptions = {}): AsyncGenerator<TaskStreamEvent, void, undefined> {
    checkOptions('watch', options, WATCH_OPTIONS)
    return interruptible(options, (each) => watchTask(this.#requester, taskId, each))
  }

  /**
   * Follows all tasks: those that run when it starts, then whatever changes. It ends only with its signal.
   *
   * @throws TasksApiError what no further try can mend, such as 401 and 403
   */
  watchAll(options: WatchAllOptions = {}): AsyncGenerator<TasksWatchEvent, void, undefined> {
    checkOptions('watchAll', options, WATCH_ALL_OPTIONS)
    return interruptible(options, (each) => watchTasks(this.#requester, each))
  }

  #get(path: string, options?: RequestOptions): Promise<unknown> {
    return this.#requester.json('GET', path, options)
  }

  #post(path: string, options?: RequestOptions): Promise<unknown> {
    return this.#requester.json('POST', path, options)
  }
}

export function createTasksClient(options: TasksClientOptions): TasksClient {
  return new TasksClient(options)
}

function taskPath(taskId: string): string {
  return `/tasks/${encodeURIComponent(taskId)}`
}

function schedulePath(name: string): string {
  return `/schedules/${encodeURIComponent(name)}`
}
