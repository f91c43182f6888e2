import type { TaskSummary } from '../contract/task.ts'
import { decodeList, decodeSummary, requireObject } from './decode.ts'
import type { StreamMessage } from './event-stream.ts'
import { follow, type Received, type Signalled, type WatchAllOptions } from './follow.ts'
import { POLL_TIMEOUT_MS, type Requester, toSearch } from './request.ts'

/** Events of `watchAll`. */
export type TasksWatchEvent =
  /** A new connection: changes before it may have been missed. All running tasks follow. */
  | { readonly type: 'open' }
  /** A task was created or has changed. */
  | { readonly type: 'task'; readonly task: TaskSummary }
  /** A task was deleted. */
  | { readonly type: 'deleted'; readonly taskId: string }
  /** A type was paused or resumed. */
  | { readonly type: 'type'; readonly taskType: string; readonly paused: boolean }

/** Options of `watchAll`. */
export interface WatchTasksOptions extends WatchAllOptions {
  /** Only the tasks that this user has created, by the user's id. Default: all tasks. */
  createdBy?: string | undefined
}

/** While polling: the newest tasks, and those that run. */
const NEWEST = { pageSize: 50 }
const RUNNING = { status: ['running'], pageSize: 200 }

interface Polled {
  readonly task: TaskSummary
  readonly text: string
}

/** See `TasksClient.watchAll`. */
export async function* watchTasks(
  requester: Requester,
  options: WatchTasksOptions & Signalled,
): AsyncGenerator<TasksWatchEvent, void, undefined> {
  let known: ReadonlyMap<string, Polled> | undefined
  const { createdBy } = options
  const list = async (filter: object, signal: AbortSignal): Promise<TaskSummary[]> => {
    const query = { ...filter, createdBy }
    const response = await requester.json('GET', '/tasks', { query, signal, timeoutMs: POLL_TIMEOUT_MS })
    return decodeList(response).tasks
  }
  const poll = async function* (signal: AbortSignal): AsyncGenerator<TasksWatchEvent> {
    // One after the other: where the first fails, the second would too.
    const newest = await list(NEWEST, signal)
    const found = [...newest, ...(await list(RUNNING, signal))]
    const now = new Map(found.map((task) => [task.taskId, { task, text: JSON.stringify(task) }]))
    for (const [taskId, { task, text }] of now) {
      // The first poll shows what runs, as a stream does.
      const isNews = known ? known.get(taskId)?.text !== text : task.status === 'running'
      if (isNews) yield { type: 'task', task }
    }
    const oldest = newest.length < NEWEST.pageSize ? undefined : newest.at(-1)?.createdAt
    for (const [taskId, { task }] of known ?? []) {
      if (now.has(taskId)) continue
      // A task that is newer than others on the page would be on it.
      const isDeleted = oldest === undefined || task.createdAt > oldest
      if (isDeleted) yield { type: 'deleted', taskId }
      else if (task.status === 'running') {
        const [left] = await list({ q: taskId }, signal)
        yield left ? { type: 'task', task: left } : { type: 'deleted', taskId }
      }
    }
    known = now
  }
  // Each connection begins with what runs: such events do not show that the stream works.
  const decode = ({ event, data }: StreamMessage): Received<TasksWatchEvent> | undefined => {
    const decoded = decodeEvent(event, data)
    return decoded && { event: decoded, isNews: event !== 'task' }
  }
  const path = `/tasks/events${toSearch({ createdBy })}`
  for await (const event of follow(requester, { path, headers: () => ({}), decode, poll }, options)) {
    yield event === 'open' ? { type: 'open' } : event
  }
}

function decodeEvent(event: string, data: string): TasksWatchEvent | undefined {
  if (event === 'task') return { type: 'task', task: decodeSummary(JSON.parse(data)) }
  if (event !== 'deleted' && event !== 'type') return undefined
  const { taskId, taskType, paused }: Record<string, unknown> = { ...requireObject(JSON.parse(data)) }
  if (event === 'deleted') return { type: 'deleted', taskId: String(taskId) }
  return { type: 'type', taskType: String(taskType), paused: paused === true }
}
