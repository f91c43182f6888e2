import type { TaskStreamEvent } from '../contract/events.ts'
import type { TaskDetail, TaskLogLine } from '../contract/task.ts'
import { decodeDetail, decodeLine, decodeLogPage } from './decode.ts'
import type { StreamMessage } from './event-stream.ts'
import { follow } from './follow.ts'
import type { Requester } from './request.ts'

/** `live`: by stream; `polling`: streams do not work here; `lost`: nobody answers, and it is tried again. */
export type WatchConnection = 'connecting' | 'live' | 'polling' | 'lost'

export interface WatchAllOptions {
  /** Ends the watch; the iterator then throws the signal's reason. */
  signal?: AbortSignal | undefined
  /** Between two looks where streams do not work. Default 1,000 ms. */
  pollIntervalMs?: number | undefined
  /** Hears of every change of the connection; why, when it is lost. */
  onConnection?: ((connection: WatchConnection, error?: Error) => void) | undefined
}

export interface WatchOptions extends WatchAllOptions {
  /** Only lines after this one. Default 0: the whole log. */
  afterId?: number | undefined
  /** False: no lines. Default true. */
  logs?: boolean | undefined
}

const LOG_PAGE_SIZE = 200

/**
 * Follows one task until it has ended, which `end` says. Lines come in the order of their ids, each once, over any
 * number of lost connections.
 *
 * @throws TasksApiError what no further try can mend: `TASK_NOT_FOUND`, also when it is deleted; 401; 403
 */
export async function* watchTask(
  requester: Requester,
  taskId: string,
  options: WatchOptions = {},
): AsyncGenerator<TaskStreamEvent, void, undefined> {
  const path = `/tasks/${encodeURIComponent(taskId)}`
  const { logs: wantsLogs = true } = options
  let lastId = options.afterId ?? 0

  const decode = ({ event, data }: StreamMessage): TaskStreamEvent | undefined => {
    if (event === 'task' || event === 'end') return { type: event, task: decodeDetail(JSON.parse(data)) }
    if (event !== 'log') return undefined
    const line = decodeLine(JSON.parse(data))
    return line.id > lastId ? { type: 'log', line } : undefined
  }
  const poll = async function* (signal: AbortSignal | undefined): AsyncGenerator<TaskStreamEvent> {
    // The task first: when its end is visible, its log is complete.
    const task: TaskDetail = decodeDetail(await requester.json('GET', path, { signal }))
    yield { type: 'task', task }
    if (wantsLogs)
      for await (const line of readLog(requester, path, lastId, signal)) yield { type: 'log', line }
    if (isFinished(task)) yield { type: 'end', task }
  }
  const resume = () => ({ 'last-event-id': String(lastId) })
  // Without lines the stream starts behind all of them.
  const headers = wantsLogs ? resume : () => ({ 'last-event-id': String(Number.MAX_SAFE_INTEGER) })

  let shown = ''
  for await (const event of follow(requester, { path: `${path}/events`, headers, decode, poll }, options)) {
    if (event === 'open') continue
    if (event.type === 'log') lastId = event.line.id
    const isNews = event.type !== 'task' || JSON.stringify(event.task) !== shown
    if (event.type === 'task') shown = JSON.stringify(event.task)
    if (isNews) yield event
    if (event.type === 'end') return
  }
}

async function* readLog(
  requester: Requester,
  path: string,
  afterId: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<TaskLogLine> {
  for (let after = afterId; ; ) {
    const query = { afterId: after, pageSize: LOG_PAGE_SIZE }
    const { logs } = decodeLogPage(await requester.json('GET', `${path}/logs`, { query, signal }))
    yield* logs
    const last = logs.at(-1)
    if (!last || logs.length < LOG_PAGE_SIZE) return
    after = last.id
  }
}

/** Nothing but an operator's retry goes on from here. */
export function isFinished({ status }: Pick<TaskDetail, 'status'>): boolean {
  return status === 'completed' || status === 'failed' || status === 'cancelled'
}
