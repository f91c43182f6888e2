import type { TaskStreamEvent } from '../contract/events.ts'
import type { TaskDetail, TaskLogLine } from '../contract/task.ts'
import { decodeDetail, decodeLine, decodeLogPage, decodeStep } from './decode.ts'
import type { StreamMessage } from './event-stream.ts'
import { follow, type Received, type Signalled, type WatchAllOptions } from './follow.ts'
import { POLL_TIMEOUT_MS, type Requester } from './request.ts'

/** Options of `watch`. */
export interface WatchOptions extends WatchAllOptions {
  /** Skips log lines up to this id. Default 0: the whole log. */
  afterId?: number | undefined
  /** False: no `log` events. Default true. */
  logs?: boolean | undefined
}

const LOG_PAGE_SIZE = 200

/** See `TasksClient.watch`. */
export async function* watchTask(
  requester: Requester,
  taskId: string,
  options: WatchOptions & Signalled,
): AsyncGenerator<TaskStreamEvent, void, undefined> {
  const path = `/tasks/${encodeURIComponent(taskId)}`
  const { logs: wantsLogs = true } = options
  let lastId = options.afterId ?? 0

  let shown = ''
  const isNewTask = (task: TaskDetail) => {
    const before = shown
    shown = JSON.stringify(task)
    return shown !== before
  }

  const decode = ({ event, data }: StreamMessage): Received<TaskStreamEvent> | undefined => {
    if (event === 'end') return { event: { type: 'end', task: decodeDetail(JSON.parse(data)) }, isNews: true }
    if (event === 'task') {
      const task = decodeDetail(JSON.parse(data))
      // Also one that is as before: the caller may have shown a change that was taken back between two reads.
      return { event: { type: 'task', task }, isNews: isNewTask(task) }
    }
    if (event === 'step') {
      return { event: { type: 'step', step: decodeStep(JSON.parse(data)) }, isNews: true }
    }
    if (event !== 'log') return undefined
    const line = decodeLine(JSON.parse(data))
    return line.id > lastId ? { event: { type: 'log', line }, isNews: true } : undefined
  }
  const poll = async function* (signal: AbortSignal): AsyncGenerator<TaskStreamEvent> {
    // The task first: when its end is visible, its log is complete.
    const response = await requester.json('GET', path, { signal, timeoutMs: POLL_TIMEOUT_MS })
    const task = decodeDetail(response)
    if (isNewTask(task)) yield { type: 'task', task }
    if (wantsLogs)
      for await (const line of readLog(requester, path, lastId, signal)) yield { type: 'log', line }
    if (isFinished(task)) yield { type: 'end', task }
  }
  const resume = () => ({ 'last-event-id': String(lastId) })
  // Without lines the stream starts behind all of them.
  const headers = wantsLogs ? resume : () => ({ 'last-event-id': String(Number.MAX_SAFE_INTEGER) })

  for await (const event of follow(requester, { path: `${path}/events`, headers, decode, poll }, options)) {
    if (event === 'open') continue
    if (event.type === 'log') lastId = event.line.id
    yield event
    if (event.type === 'end') return
  }
}

async function* readLog(
  requester: Requester,
  path: string,
  afterId: number,
  signal: AbortSignal,
): AsyncGenerator<TaskLogLine> {
  for (let after = afterId; ; ) {
    const query = { afterId: after, pageSize: LOG_PAGE_SIZE }
    const options = { query, signal, timeoutMs: POLL_TIMEOUT_MS }
    const { logs } = decodeLogPage(await requester.json('GET', `${path}/logs`, options))
    const news = logs.filter(({ id }) => id > after)
    yield* news
    const last = news.at(-1)
    if (!last || logs.length < LOG_PAGE_SIZE) return
    after = last.id
  }
}

/** True if the task completed, failed or was cancelled. */
export function isFinished({ status }: Pick<TaskDetail, 'status'>): boolean {
  return status === 'completed' || status === 'failed' || status === 'cancelled'
}
