import type { LogLevel, TaskLogLine } from '../../../client/index.ts'
import { client } from '../../client.ts'

export const PAGE_SIZE = 200
/** Lines kept in the page; the download has all. */
export const MAX_LINES = 2_000

export const LOG_LEVELS = ['DEBUG', 'INFO', 'WARNING', 'ERROR'] as const satisfies readonly LogLevel[]

/** Some of a log, oldest first, and how many lines there were in all when it was read. */
export interface LogPart {
  readonly lines: readonly TaskLogLine[]
  readonly total: number
}

export async function readNewest(
  taskId: string,
  level: LogLevel | '',
  signal: AbortSignal,
): Promise<LogPart> {
  const { logs, total } = await client.listLogs(taskId, newestFirst(level), { signal })
  return { lines: logs.toReversed(), total }
}

/** How many lines there are by now, and the newest of them. */
export async function countLines(taskId: string, level: LogLevel | '', signal: AbortSignal) {
  const query = { ...newestFirst(level), pageSize: 1 }
  const { logs, total } = await client.listLogs(taskId, query, { signal })
  return { total, lastId: logs[0]?.id ?? 0 }
}

/** The page before these lines. Pages are counted from the newest one, and lines may have joined: see `mergeLines`. */
export async function readOlder(
  taskId: string,
  level: LogLevel | '',
  shown: number,
): Promise<readonly TaskLogLine[]> {
  const page = Math.floor(shown / PAGE_SIZE) + 1
  return (await client.listLogs(taskId, { ...newestFirst(level), page })).logs
}

function newestFirst(level: LogLevel | '') {
  return { order: 'desc', pageSize: PAGE_SIZE, ...(level === '' ? {} : { level }) } as const
}

/** Each line once, oldest first. */
export function mergeLines(...parts: readonly (readonly TaskLogLine[])[]): TaskLogLine[] {
  const byId = new Map(parts.flat().map((line) => [line.id, line]))
  return [...byId.values()].sort((a, b) => a.id - b.id).slice(-MAX_LINES)
}

/** Everything, oldest first, as a text file. */
export async function downloadLog(taskId: string): Promise<void> {
  const parts: string[] = []
  for (let afterId = 0; ; ) {
    const { logs } = await client.listLogs(taskId, { afterId, pageSize: PAGE_SIZE })
    for (const line of logs) parts.push(formatLine(line))
    const last = logs.at(-1)
    if (!last || logs.length < PAGE_SIZE) break
    afterId = last.id
  }
  const url = URL.createObjectURL(new Blob(parts, { type: 'text/plain;charset=utf-8' }))
  const link = document.createElement('a')
  link.href = url
  link.download = `${taskId}.log`
  link.click()
  // Once the browser has taken it.
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}

function formatLine({ createdAt, level, attempt, message, data }: TaskLogLine): string {
  const fields = data === undefined ? '' : ` ${JSON.stringify(data)}`
  return `${createdAt.toISOString()} ${level.padEnd(7)} ${attempt ?? '-'} ${message}${fields}\n`
}
