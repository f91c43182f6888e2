import { useCallback, useEffect, useRef, useState } from 'react'
import { ApiError, api, type LogLine } from '../../api.ts'

const PAGE = 200
const POLL_MS = 1_000
/** Lines kept in the page; the download has all. */
export const MAX_LINES = 2_000

export interface TaskLog {
  readonly lines: readonly LogLine[]
  readonly total: number
  readonly isLoading: boolean
  readonly hasOlder: boolean
  loadOlder(): Promise<void>
}

interface State {
  readonly lines: readonly LogLine[]
  readonly total: number
}

/**
 * The newest lines, and those that join while the task is active. Once more after its end: the last lines come with it.
 * Its caller gives it a key of task and level, so that it starts afresh with another one.
 */
export function useLog(taskId: string, level: string, isActive: boolean): TaskLog {
  const [state, setState] = useState<State>()
  const lastId = useRef<number>(undefined)

  const catchUp = useCallback(
    async (signal: AbortSignal) => {
      for (;;) {
        const afterId = lastId.current
        const answer = await (afterId === undefined
          ? api.logs(taskId, { level, order: 'desc', pageSize: PAGE }, signal)
          : api.logs(taskId, { level, afterId, pageSize: PAGE }, signal))
        const fresh = afterId === undefined ? answer.logs.toReversed() : answer.logs
        lastId.current = fresh.at(-1)?.id ?? afterId ?? 0
        setState((before) => join(before, fresh, afterId === undefined ? answer.total : undefined))
        if (afterId === undefined || fresh.length < PAGE) return
      }
    },
    [taskId, level],
  )

  useEffect(() => {
    const ended = new AbortController()
    void keepReading(catchUp, isActive, ended.signal)
    return () => ended.abort()
  }, [catchUp, isActive])

  const loadOlder = useCallback(async () => {
    const shown = state?.lines ?? []
    const first = shown[0]
    if (!first) return
    // Pages are counted from the newest line, and lines may have joined: what overlaps is left out.
    const page = Math.floor(shown.length / PAGE) + 1
    const { logs } = await api.logs(taskId, { level, order: 'desc', pageSize: PAGE, page })
    const older = logs.filter(({ id }) => id < first.id).toReversed()
    setState((before) => before && { ...before, lines: [...older, ...before.lines] })
  }, [state, taskId, level])

  const { lines, total } = state ?? { lines: [], total: 0 }
  const hasOlder = total > lines.length && lines.length < MAX_LINES
  return { lines, total, isLoading: state === undefined, hasOlder, loadOlder }
}

function join(before: State | undefined, fresh: readonly LogLine[], total: number | undefined): State {
  if (!before) return { lines: fresh, total: total ?? fresh.length }
  if (fresh.length === 0) return before
  return { lines: [...before.lines, ...fresh].slice(-MAX_LINES), total: before.total + fresh.length }
}

async function keepReading(
  catchUp: (signal: AbortSignal) => Promise<void>,
  isActive: boolean,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    let isDone = false
    try {
      if (!document.hidden) {
        await catchUp(signal)
        isDone = !isActive
      }
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof ApiError)) throw error
      isDone = error.status >= 400 && error.status < 500
    }
    if (isDone) return
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

/** Everything, oldest first, as text. */
export async function downloadLog(taskId: string): Promise<void> {
  const parts: string[] = []
  let afterId = 0
  for (;;) {
    const { logs } = await api.logs(taskId, { afterId, pageSize: PAGE })
    for (const line of logs) parts.push(formatLine(line))
    const last = logs.at(-1)
    if (!last || logs.length < PAGE) break
    afterId = last.id
  }
  const url = URL.createObjectURL(new Blob(parts, { type: 'text/plain;charset=utf-8' }))
  const link = document.createElement('a')
  link.href = url
  link.download = `${taskId}.log`
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 10_000)
}

function formatLine({ createdAt, level, attempt, message, data }: LogLine): string {
  const fields = data === undefined ? '' : ` ${JSON.stringify(data)}`
  return `${createdAt} ${level.padEnd(7)} ${attempt ?? '-'} ${message}${fields}\n`
}
