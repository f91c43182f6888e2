import { useEffect, useRef, useState } from 'react'
import type { LogLevel, TaskLogLine } from '../../../client/index.ts'
import { client } from '../../client.ts'
import { attempt } from '../../state/toasts.ts'
import { mergeLines, PAGE_SIZE } from './lines.ts'

/** While one types. */
const SETTLE_MS = 250

export interface LogSearch {
  /** Lines that match, oldest first. */
  readonly found: readonly TaskLogLine[]
  /** Lines looked through so far, newest first. */
  readonly searched: number
  /** Undefined: not counted yet. */
  readonly total: number | undefined
  readonly isSearching: boolean
  /** Goes on from where it has stopped, with a page of matches or a failure; undefined: all were looked through. */
  readonly goOn: (() => void) | undefined
}

interface State extends Omit<LogSearch, 'goOn'> {
  readonly key: string
  /** Undefined: at the newest line; null: nowhere. */
  readonly nextId: number | null | undefined
}

/** The server searches the whole log, newest first; it stops at a page of matches. */
export function useLogSearch(taskId: string, level: LogLevel | '', wanted: string): LogSearch | undefined {
  const key = `${taskId} ${level} ${wanted}`
  const [state, setState] = useState<State>()
  const running = useRef<AbortController>(undefined)
  const search = async (before: State | undefined, signal: AbortSignal) => {
    let { found, searched, total, nextId } = before ?? {
      found: [],
      searched: 0,
      total: undefined,
      nextId: undefined,
    }
    const start = found.length
    for (;;) {
      const query = {
        q: wanted,
        order: 'desc',
        pageSize: PAGE_SIZE,
        total: total === undefined,
        ...(level === '' ? {} : { level }),
      } as const
      const position = nextId === undefined || nextId === null ? {} : { beforeId: nextId }
      const page = await attempt(() => client.listLogs(taskId, { ...query, ...position }, { signal }))
      if (signal.aborted) return
      if (page) {
        found = mergeLines(page.logs, found)
        searched += page.searched ?? 0
        total ??= page.total
        nextId = page.nextId ?? null
      }
      const isOver = !page || nextId === null || found.length - start >= PAGE_SIZE
      setState({ key, found, searched, total, isSearching: !isOver, nextId })
      if (isOver) return
    }
  }
  const begin = (before: State | undefined) => {
    running.current?.abort()
    const aborter = new AbortController()
    running.current = aborter
    search(before, aborter.signal).catch((error: unknown) => {
      if (!aborter.signal.aborted) throw error
    })
  }
  // biome-ignore lint/correctness/useExhaustiveDependencies: the key names all that is searched
  useEffect(() => {
    const timer = wanted === '' ? undefined : setTimeout(() => begin(undefined), SETTLE_MS)
    return () => {
      clearTimeout(timer)
      running.current?.abort()
    }
  }, [key])
  if (wanted === '') return undefined
  if (state?.key !== key)
    return { found: [], searched: 0, total: undefined, isSearching: true, goOn: undefined }
  const { isSearching, nextId } = state
  return { ...state, goOn: isSearching || nextId === null ? undefined : () => begin(state) }
}
