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
  readonly total: number
  readonly isSearching: boolean
  /** Goes on from where it has stopped, with a page of matches; undefined: all were looked through. */
  readonly goOn: (() => void) | undefined
}

interface State {
  readonly key: string
  readonly found: readonly TaskLogLine[]
  readonly searched: number
  readonly total: number
  readonly isSearching: boolean
  readonly nextId: number | null
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
      found = mergeLines(page?.logs ?? [], found)
      searched += page?.searched ?? 0
      total ??= page?.total
      nextId = page?.nextId ?? null
      const isOver = nextId === null || found.length - start >= PAGE_SIZE
      setState({ key, found, searched, total: total ?? searched, isSearching: !isOver, nextId })
      if (isOver) return
    }
  }
  const begin = (before: State | undefined) => {
    running.current?.abort()
    running.current = new AbortController()
    void search(before, running.current.signal)
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
  if (state?.key !== key) return { found: [], searched: 0, total: 0, isSearching: true, goOn: undefined }
  const { isSearching, nextId } = state
  return { ...state, goOn: isSearching || nextId === null ? undefined : () => begin(state) }
}
