import type { z } from 'zod'
import type { BulkAction, bulkAnswer } from '../contract/bulk.ts'
import type { Problem } from '../contract/problem.ts'
import type { NewSchedule, ScheduleChange, scheduleView } from '../contract/schedule.ts'
import type { taskStats } from '../contract/stats.ts'
import type * as contract from '../contract/task.ts'
import { API } from './settings.ts'
import { noteServerTime } from './state/clock.ts'
import { bearerToken, connection, session } from './state/session.ts'

export type Task = z.input<typeof contract.taskSummary>
export type TaskDetail = z.input<typeof contract.taskDetail>
export type Attempt = z.input<typeof contract.taskAttempt> & { stack?: string | null }
export type LogLine = z.input<typeof contract.taskLogLine>
export type TaskPage = z.input<typeof contract.taskList>
export type TaskType = contract.TaskTypeView & { paused?: boolean }
export type Executor = z.input<typeof contract.executorView>
export type Stats = z.input<typeof taskStats>
export type Schedule = z.input<typeof scheduleView>
export type BulkAnswer = z.input<typeof bulkAnswer>

/** What the server refused, and why. */
export class ApiError extends Error {
  readonly status: number
  readonly code: string
  readonly fields: readonly { pointer: string; detail: string }[]

  constructor(problem: Pick<Problem, 'status' | 'detail' | 'code' | 'errors'>) {
    super(problem.detail)
    this.status = problem.status
    this.code = problem.code
    this.fields = problem.errors ?? []
  }

  /** The server could not be asked, or could not answer for now. */
  get isOutage(): boolean {
    return this.status === 0 || this.status === 502 || this.status === 503 || this.status === 504
  }
}

export type Params = Record<string, string | number | boolean | readonly string[] | null | undefined>

function toUrl(path: string, params: Params): string {
  const url = new URL(API + path)
  for (const [name, value] of Object.entries(params)) {
    for (const one of [value].flat()) if (one !== null && one !== undefined && one !== '') url.searchParams.append(name, String(one))
  }
  return url.href
}

interface Call {
  method?: string
  params?: Params
  body?: unknown
  signal?: AbortSignal
}

async function send(path: string, { method = 'GET', params = {}, body, signal }: Call): Promise<Response> {
  const token = bearerToken()
  const headers = new Headers({ accept: 'application/json' })
  if (token) headers.set('authorization', `Bearer ${token}`)
  if (body !== undefined) headers.set('content-type', 'application/json')
  try {
    return await fetch(toUrl(path, params), {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    })
  } catch (error) {
    if (signal?.aborted) throw error
    connection.set('lost')
    throw new ApiError({ status: 0, code: 'UNREACHABLE', detail: 'the server cannot be reached' })
  }
}

async function call<T>(path: string, options: Call = {}): Promise<T> {
  const response = await send(path, options)
  noteServerTime(response.headers.get('date'))
  if (response.ok) {
    connection.set('ok')
    return (response.status === 204 ? undefined : await response.json()) as T
  }
  const error = new ApiError(await readProblem(response))
  connection.set(error.isOutage ? 'lost' : 'ok')
  if (error.status === 401 && error.code !== 'INVALID_CREDENTIALS') session.set('out')
  throw error
}

async function readProblem(response: Response): Promise<Pick<Problem, 'status' | 'detail' | 'code' | 'errors'>> {
  const fallback = { status: response.status, code: 'UNEXPECTED', detail: `the server answered ${response.status}` }
  if (!response.headers.get('content-type')?.includes('json')) return fallback
  const answer = (await response.json().catch(() => ({}))) as Partial<Problem>
  return { ...fallback, ...answer, status: response.status }
}

const at = (taskId: string) => `/tasks/${encodeURIComponent(taskId)}`
const scheduleAt = (name: string) => `/schedules/${encodeURIComponent(name)}`

export interface TaskFilter {
  status?: readonly string[]
  taskType?: string
  q?: string
  createdAfter?: string
  createdBefore?: string
}

export interface NewTask {
  taskType: string
  params: Record<string, unknown>
  priority?: number
  runAt?: string
  uniqueKey?: string
  maxRetries?: number
  timeoutSeconds?: number
}

export const api = {
  me: () => call<{ user: { username: string } }>('/auth/me'),
  logIn: (username: string, password: string) =>
    call<{ token: string }>('/auth/login', { method: 'POST', body: { username, password } }),
  logOut: () => call<void>('/auth/logout', { method: 'POST' }),

  listTasks: (filter: TaskFilter, page: { cursor?: string | undefined; pageSize: number }, signal?: AbortSignal) =>
    call<TaskPage>('/tasks', { params: { ...filter, ...page }, ...(signal ? { signal } : {}) }),
  stats: (signal: AbortSignal) => call<Stats>('/tasks/stats', { signal }),
  bulk: (action: BulkAction, chosen: { taskIds: readonly string[] } | { filter: TaskFilter }, dryRun: boolean) =>
    call<BulkAnswer>('/tasks/bulk', { method: 'POST', body: { action, ...chosen, dryRun } }),

  task: (taskId: string, signal?: AbortSignal) => call<TaskDetail>(at(taskId), signal ? { signal } : {}),
  createTask: (task: NewTask) => call<TaskDetail & { created?: boolean }>('/tasks', { method: 'POST', body: task }),
  cancel: (taskId: string) => call<TaskDetail>(`${at(taskId)}/cancel`, { method: 'POST' }),
  retry: (taskId: string) => call<TaskDetail>(`${at(taskId)}/retry`, { method: 'POST' }),
  remove: (taskId: string) => call<void>(at(taskId), { method: 'DELETE' }),
  logs: (taskId: string, params: Params, signal?: AbortSignal) =>
    call<{ logs: LogLine[]; total: number }>(`${at(taskId)}/logs`, { params, ...(signal ? { signal } : {}) }),

  types: (signal?: AbortSignal) =>
    call<{ taskTypes: TaskType[] }>('/task-types', signal ? { signal } : {}).then((answer) => answer.taskTypes),
  pauseType: (taskType: string, paused: boolean) =>
    call<TaskType>(`/task-types/${encodeURIComponent(taskType)}/${paused ? 'pause' : 'resume'}`, { method: 'POST' }),
  executors: (signal: AbortSignal) =>
    call<{ executors: Executor[] }>('/executors', { signal }).then((answer) => answer.executors),

  schedules: (signal: AbortSignal) =>
    call<{ schedules: Schedule[] }>('/schedules', { signal }).then((answer) => answer.schedules),
  createSchedule: (schedule: NewSchedule) => call<Schedule>('/schedules', { method: 'POST', body: schedule }),
  changeSchedule: (name: string, change: ScheduleChange) =>
    call<Schedule>(scheduleAt(name), { method: 'PATCH', body: change }),
  removeSchedule: (name: string) => call<void>(scheduleAt(name), { method: 'DELETE' }),
  runSchedule: (name: string) => call<TaskDetail>(`${scheduleAt(name)}/run`, { method: 'POST' }),
}
