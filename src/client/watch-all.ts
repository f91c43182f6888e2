import type { TaskSummary } from '../contract/task.ts'
import { decodeList, decodeSummary } from './decode.ts'
import { follow } from './follow.ts'
import type { Requester } from './request.ts'
import type { WatchAllOptions } from './watch.ts'

export type TasksWatchEvent =
  /** A new connection, after which everything that runs follows: what changed before it may have been missed. */
  { readonly type: 'open' } | { readonly type: 'task'; readonly task: TaskSummary }

/** While polling: the newest tasks, and those that run. */
const POLLED = [{ pageSize: 50 }, { status: ['running'], pageSize: 200 }]

/**
 * Follows all tasks: those that run when it starts, then whatever changes. It ends only with its signal.
 *
 * @throws TasksApiError what no further try can mend, such as 401 and 403
 */
export async function* watchTasks(
  requester: Requester,
  options: WatchAllOptions = {},
): AsyncGenerator<TasksWatchEvent, void, undefined> {
  let known = new Map<string, string>()
  const poll = async function* (signal: AbortSignal | undefined): AsyncGenerator<TasksWatchEvent> {
    const answers = POLLED.map((query) => requester.json('GET', '/tasks', { query, signal }))
    const found = (await Promise.all(answers)).flatMap((json) => decodeList(json).tasks)
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
      for (const task of decodeList(await requester.json('GET', '/tasks', { query, signal })).tasks) {
        yield { type: 'task', task }
      }
    }
    known = now
  }
  const decode = ({ event, data }: { event: string; data: string }): TasksWatchEvent | undefined =>
    event === 'task' ? { type: 'task', task: decodeSummary(JSON.parse(data)) } : undefined
  for await (const event of follow(
    requester,
    { path: '/tasks/events', headers: () => ({}), decode, poll },
    options,
  )) {
    yield event === 'open' ? { type: 'open' } : event
  }
}
