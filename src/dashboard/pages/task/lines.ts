import type { LogLevel, TaskLogLine } from '../../../client/index.ts'
import { client } from '../../client.ts'

export const PAGE_SIZE = 200
/** Of the end of a log: more than a screen, and soon drawn. */
export const END_SIZE = 60
/** Lines kept in the page; the download has all. */
export const MAX_LINES = 2_000

export const LOG_LEVELS = ['DEBUG', 'INFO', 'WARNING', 'ERROR'] as const satisfies readonly LogLevel[]

type Level = LogLevel | ''

const ofLevel = (level: Level) => (level === '' ? {} : { level })
/** Not counted: the lines do not wait for the count of a million others. */
const ONE_PAGE = { pageSize: PAGE_SIZE, total: false } as const

/** The newest lines, oldest first. */
export async function readEnd(taskId: string, level: Level, signal?: AbortSignal): Promise<TaskLogLine[]> {
  const query = { ...ONE_PAGE, pageSize: END_SIZE, order: 'desc', ...ofLevel(level) } as const
  return (await client.listLogs(taskId, query, { signal })).logs.reverse()
}

export async function readBefore(taskId: string, level: Level, beforeId: number): Promise<TaskLogLine[]> {
  const query = { ...ONE_PAGE, order: 'desc', beforeId, ...ofLevel(level) } as const
  return (await client.listLogs(taskId, query)).logs.reverse()
}

export async function readAfter(taskId: string, level: Level, afterId: number): Promise<TaskLogLine[]> {
  return (await client.listLogs(taskId, { ...ONE_PAGE, afterId, ...ofLevel(level) })).logs
}

/** The first line from an instant on; undefined: there is none. */
export async function findLineAt(taskId: string, level: Level, since: Date): Promise<number | undefined> {
  return (await client.listLogs(taskId, { ...ONE_PAGE, since, pageSize: 1, ...ofLevel(level) })).logs[0]?.id
}

/** How many lines there are by now, and the newest of them. */
export async function countLines(taskId: string, level: Level, signal: AbortSignal) {
  const query = { order: 'desc', pageSize: 1, ...ofLevel(level) } as const
  const { logs, total = 0 } = await client.listLogs(taskId, query, { signal })
  return { total, lastId: logs[0]?.id ?? 0 }
}

/** Each line once, oldest first. */
export function mergeLines(...parts: readonly (readonly TaskLogLine[])[]): TaskLogLine[] {
  const byId = new Map(parts.flat().map((line) => [line.id, line]))
  return [...byId.values()].sort((a, b) => a.id - b.id)
}

/** As many of each level as the page keeps in all: what joins does not push out lines of a level that is shown alone. */
export function newestOfEachLevel(lines: readonly TaskLogLine[]): readonly TaskLogLine[] {
  if (lines.length <= MAX_LINES) return lines
  const counts = new Map<LogLevel, number>()
  const isKept = ({ level }: TaskLogLine) => {
    const count = (counts.get(level) ?? 0) + 1
    counts.set(level, count)
    return count <= MAX_LINES
  }
  return lines.toReversed().filter(isKept).reverse()
}

/** Everything, oldest first, as a text file. */
export async function downloadLog(taskId: string): Promise<void> {
  const parts: string[] = []
  for (let afterId = 0; ; ) {
    const { logs } = await client.listLogs(taskId, { ...ONE_PAGE, afterId })
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
