import type { AuditPage, AuditQuery } from '../contract/audit-views.ts'
import type { ErrorGroup, ErrorGroupQuery } from '../contract/error-group-views.ts'
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
import type { Health } from '../contract/health-views.ts'
import type { Overview, OverviewByType, OverviewQuery } from '../contract/overview-views.ts'
import type { ScheduleTicks, ScheduleView } from '../contract/schedule-views.ts'
import type {
  AccountView,
  CallerView,
  Credentials,
  NewUser,
  OpenSessionView,
  PasswordChange,
  SessionView,
  UserChange,
  UserView,
} from '../contract/session.ts'
import type { TaskStats } from '../contract/stats.ts'
import type { ExecutorRuns, ExecutorView, TaskList, TaskLogPage, TaskTypeView } from '../contract/task.ts'
import { checkOptions } from './check-options.ts'
import type { CreatedTask } from './created-task.ts'
import {
  decodeAudit,
  decodeCreated,
  decodeDetail,
  decodeErrorGroup,
  decodeErrorGroups,
  decodeExecutorRuns,
  decodeExecutors,
  decodeList,
  decodeLogPage,
  decodeOverview,
  decodeSchedule,
  decodeSchedules,
  decodeScheduleTicks,
  decodeSessions,
  decodeStats,
  decodeType,
  decodeTypes,
  decodeUser,
  decodeUsers,
  requireObject,
} from './decode.ts'
import { interruptible } from './interruptible.ts'
import { groupPath, schedulePath, taskPath } from './paths.ts'
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
export class TasksClient<Handlers = unknown> {
  readonly #requester: Requester

  constructor(options: TasksClientOptions) {
    this.#requester = new Requester(options)
  }

  /** Lists tasks, newest first: 50 per page by default, at most 200. */
  async listTasks(query: TaskQuery = {}, options?: CallOptions): Promise<TaskList> {
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

  /** Deletes a finished task. @throws TasksApiError `TASK_NOT_FOUND`, `TASK_NOT_FINISHED`, `TASK_BUSY` */
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

  /** Counts tasks by status and type, and finished tasks per minute of the last hour. */
  async getStats(options?: CallOptions): Promise<TaskStats> {
    return decodeStats(await this.#get('/tasks/stats', options))
  }

  /** Reads what happened to tasks in the last hour, day or week, and what waits. */
  async getOverview(query: OverviewQuery = {}, options?: CallOptions): Promise<Overview> {
    return decodeOverview(await this.#get('/overview', { ...options, query: { ...query } }))
  }

  /** Reads the same type by type. */
  async getOverviewByType(
    query: Pick<OverviewQuery, 'range'> = {},
    options?: CallOptions,
  ): Promise<OverviewByType> {
    return requireObject(await this.#get('/overview/types', { ...options, query: { ...query } }))
  }

  /** Reads whether tasks run, in time and with success, and if not, why. */
  async getHealth(options?: CallOptions): Promise<Health> {
    return requireObject(await this.#get('/health', options))
  }

  /** Lists failures by type and message, at most 200 groups, the latest failure first. */
  async listErrorGroups(query: ErrorGroupQuery = {}, options?: CallOptions): Promise<ErrorGroup[]> {
    return decodeErrorGroups(await this.#get('/error-groups', { ...options, query: { ...query } }))
      .errorGroups
  }

  /** @throws TasksApiError `ERROR_GROUP_NOT_FOUND` */
  async getErrorGroup(groupId: string, options?: CallOptions): Promise<ErrorGroup> {
    return decodeErrorGroup(await this.#get(groupPath(groupId), options))
  }

  /** Marks it as seen, until it fails again after a day without failures. @throws TasksApiError `ERROR_GROUP_NOT_FOUND` */
  async markErrorGroupSeen(groupId: string, options?: CallOptions): Promise<ErrorGroup> {
    return decodeErrorGroup(await this.#post(`${groupPath(groupId)}/seen`, options))
  }

  /** Removes the mark. @throws TasksApiError `ERROR_GROUP_NOT_FOUND` */
  async markErrorGroupUnseen(groupId: string, options?: CallOptions): Promise<ErrorGroup> {
    return decodeErrorGroup(await this.#post(`${groupPath(groupId)}/unseen`, options))
  }

  /** Lists the registered types with their defaults and the JSON Schema of their params. */
  async listTaskTypes(options?: CallOptions): Promise<TaskTypeView[]> {
    return decodeTypes(await this.#get('/task-types', options)).taskTypes
  }

  /** Pauses a type: none of its tasks starts; running ones continue. @throws TasksApiError `UNKNOWN_TASK_TYPE` */
  async pauseTaskType(taskType: string, options?: CallOptions): Promise<TaskTypeView> {
    return decodeType(await this.#post(`/task-types/${encodeURIComponent(taskType)}/pause`, options))
  }

  /** Ends a pause. @throws TasksApiError `UNKNOWN_TASK_TYPE` */
  async resumeTaskType(taskType: string, options?: CallOptions): Promise<TaskTypeView> {
    return decodeType(await this.#post(`/task-types/${encodeURIComponent(taskType)}/resume`, options))
  }

  /** Lists executors with their slots, running tasks and the age of their heartbeats. */
  async listExecutors(options?: CallOptions): Promise<ExecutorView[]> {
    return decodeExecutors(await this.#get('/executors', options)).executors
  }

  /** Lists what an executor runs, and what it ran in the last 15 minutes. */
  async listExecutorRuns(executorId: string, options?: CallOptions): Promise<ExecutorRuns> {
    const path = `/executors/${encodeURIComponent(executorId)}/runs`
    return decodeExecutorRuns(await this.#get(path, options))
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

  /** Changes the given fields. @throws TasksApiError `SCHEDULE_NOT_FOUND`, `UNKNOWN_TASK_TYPE`, `INVALID_PARAMS` */
  async changeSchedule(
    name: string,
    change: ScheduleChangeRequest,
    options?: CallOptions,
  ): Promise<ScheduleView> {
    const response = await this.#requester.json('PATCH', schedulePath(name), { ...options, body: change })
    return decodeSchedule(response)
  }

  /** Deletes a schedule, but not its tasks. @throws TasksApiError `SCHEDULE_NOT_FOUND` */
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

  /** The caller's id and name, as the host's `authorize` returned them, and its role. */
  async getCaller(options?: CallOptions): Promise<CallerView> {
    return requireObject(await this.#get('/me', options))
  }

  /** Logs in to the bundled server: a browser receives a session cookie, a program uses the `token`. */
  async login(credentials: Credentials, options?: CallOptions): Promise<SessionView> {
    return requireObject(await this.#post('/auth/login', { ...options, body: credentials }))
  }

  /** Logs out of the bundled server. */
  async logout(options?: CallOptions): Promise<void> {
    await this.#post('/auth/logout', options)
  }

  /** The user who is logged in to the bundled server. @throws TasksApiError status 401 if nobody is */
  async me(options?: CallOptions): Promise<UserView> {
    return requireObject<{ user: UserView }>(await this.#get('/auth/me', options)).user
  }

  /** Of the bundled server, for admins: the user whose id a task's `createdBy` is. @throws TasksApiError `USER_NOT_FOUND` */
  async getUser(userId: string, options?: CallOptions): Promise<UserView> {
    const path = `/auth/users/${encodeURIComponent(userId)}`
    return requireObject<{ user: UserView }>(await this.#get(path, options)).user
  }

  /** Changes the caller's own password in the bundled server. @throws TasksApiError `WRONG_PASSWORD`, `WEAK_PASSWORD` */
  async changePassword(change: PasswordChange, options?: CallOptions): Promise<void> {
    await this.#post('/auth/password', { ...options, body: change })
  }

  /** The caller's open sessions in the bundled server, the last used first. */
  async listSessions(options?: CallOptions): Promise<OpenSessionView[]> {
    return decodeSessions(await this.#get('/auth/sessions', options)).sessions
  }

  /** Ends one of the caller's sessions in the bundled server. @throws TasksApiError `SESSION_NOT_FOUND` */
  async endSession(sessionId: string, options?: CallOptions): Promise<void> {
    await this.#requester.json('DELETE', `/auth/sessions/${encodeURIComponent(sessionId)}`, options)
  }

  /** Logs the caller out of the bundled server everywhere, here included. */
  async endAllSessions(options?: CallOptions): Promise<void> {
    await this.#requester.json('DELETE', '/auth/sessions', options)
  }

  /** The users of the bundled server by name, for admins. */
  async listUsers(options?: CallOptions): Promise<AccountView[]> {
    return decodeUsers(await this.#get('/auth/users', options)).users
  }

  /** Adds a user to the bundled server, for admins. @throws TasksApiError `USERNAME_TAKEN`, `WEAK_PASSWORD` */
  async createUser(user: NewUser, options?: CallOptions): Promise<AccountView> {
    return decodeUser(await this.#post('/auth/users', { ...options, body: user })).user
  }

  /** Changes a user of the bundled server, for admins. @throws TasksApiError `USER_NOT_FOUND`, `LAST_ADMIN`, `WEAK_PASSWORD` */
  async changeUser(userId: string, change: UserChange, options?: CallOptions): Promise<AccountView> {
    const path = `/auth/users/${encodeURIComponent(userId)}`
    return decodeUser(await this.#requester.json('PATCH', path, { ...options, body: change })).user
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
