import type { TaskSummary } from '../contract/task.ts'
import { decodeList, decodeSummary } from './decode.ts'
import type { StreamMessage } from './event-stream.ts'
import { follow, type Received } from './follow.ts'
import { interruptible } from './interruptible.ts'
import { POLL_TIMEOUT_MS, type Requester } from './request.ts'
import type { WatchAllOptions } from './watch.ts'

export type TasksWatchEvent =
  /** A new connection, after which everything that runs follows: what changed before it may have been missed. */
  { readonly type: 'open' } | { readonly type: 'task'; readonly task: TaskSummary }

/** While polling: the newest tasks, and those that run. */
const POLLED = [{ pageSize: 50 }, { status: ['running'], pageSize: 200 }]

/**
 * Follows all tasks: those that run when it starts, then whatever changes. It ends only with its signal.
 *
 * @throws TasksApiError what is final, such as 401 and 403
 */
export function watchTasks(
  requester: Requester,
  options: WatchAllOptions = {},
): AsyncGenerator<TasksWatchEvent, void, undefined> {
  return interruptible(options.signal, (signal) => watchAll(requester, { ...options, signal }))
}

async function* watchAll(
  requester: Requester,
  options: WatchAllOptions & { signal: AbortSignal },
): AsyncGenerator<TasksWatchEvent, void, undefined> {
  let known = new Map<string, string>()
  const list = async (query: object, signal: AbortSignal): Promise<TaskSummary[]> => {
    const answer = await requester.json('GET', '/tasks', { query, signal, timeoutMs: POLL_TIMEOUT_MS })
    return decodeList(answer).tasks
  }
  const poll = async function* (signal: AbortSignal): AsyncGenerator<TasksWatchEvent> {
    const found: TaskSummary[] = []
    // One after the other: where the first fails, the second would too.
    for (const query of POLLED) found.push(...(await list(query, signal)))
    const now = new Map(found.map((task) => [task.taskId, JSON.stringify(task)]))
    const isFirst = known.size === 0
    const changed = new Map(found.map((task) => [task.taskId, task]))
    for (const task of changed.values()) {
      const isNews = known.get(task.taskId) !== now.get(task.taskId)
      if (isNews && !(isFirst && task.status !== 'running')) yield { type: 'task', task }
    }
    const left = [...known].filter(
      ([taskId, text]) => !now.has(taskId) && text.includes('"status":"running"'),
    )
    for (const [taskId] of left) {
      const query = { q: taskId }
      for (const task of await list(query, signal)) yield { type: 'task', task }
    }
    known = now
  }
  // Each connection begins with what runs: such events say nothing of whether the stream works.
  const decode = ({ event, data }: StreamMessage): Received<TasksWatchEvent> | undefined =>
    event === 'task'
      ? { event: { type: 'task', task: decodeSummary(JSON.parse(data)) }, isNews: false }
      : undefined
  for await (const event of follow(
    requester,
    { path: '/tasks/events', headers: () => ({}), decode, poll },
    options,
  )) {
    yield event === 'open' ? { type: 'open' } : event
  }
}
