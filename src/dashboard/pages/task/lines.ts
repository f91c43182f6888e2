import type { LogLevel, TaskLogLine } from '../../../client/index.ts'
import { client } from '../../client.ts'

export const PAGE_SIZE = 200
/** Lines kept in the page; the download has all. */
export const MAX_LINES = 2_000

export const LOG_LEVELS = ['DEBUG', 'INFO', 'WARNING', 'ERROR'] as const satisfies readonly LogLevel[]

type Level = LogLevel | ''

const ofLevel = (level: Level) => (level === '' ? {} : { level })

/** The newest lines, oldest first; before a line where one is given. */
export async function readBefore(
  taskId: string,
  level: Level,
  beforeId: number | undefined,
  signal?: AbortSignal,
): Promise<TaskLogLine[]> {
  const query = { order: 'desc', pageSize: PAGE_SIZE, beforeId, ...ofLevel(level) } as const
  const { logs } = await client.listLogs(taskId, query, { signal })
  return logs.reverse()
}

export async function readAfter(taskId: string, level: Level, afterId: number): Promise<TaskLogLine[]> {
  return (await client.listLogs(taskId, { afterId, pageSize: PAGE_SIZE, ...ofLevel(level) })).logs
}

/** The first line from an instant on; undefined: there is none. */
export async function findLineAt(taskId: string, level: Level, since: Date): Promise<number | undefined> {
  return (await client.listLogs(taskId, { since, pageSize: 1, ...ofLevel(level) })).logs[0]?.id
}

/** How many lines there are by now, and the newest of them. */
export async function countLines(taskId: string, level: Level, signal: AbortSignal) {
  const query = { order: 'desc', pageSize: 1, ...ofLevel(level) } as const
  const { logs, total } = await client.listLogs(taskId, query, { signal })
  return { total, lastId: logs[0]?.id ?? 0 }
}

/** Each line once, oldest first. */
export function mergeLines(...parts: readonly (readonly TaskLogLine[])[]): TaskLogLine[] {
  const byId = new Map(parts.flat().map((line) => [line.id, line]))
  return [...byId.values()].sort((a, b) => a.id - b.id)
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
