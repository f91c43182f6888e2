import { useEffect, useRef, useState } from 'react'
import type { LogLevel, TaskLogLine } from '../../../client/index.ts'
import { client } from '../../client.ts'
import { attempt } from '../../state/toasts.ts'
import { MAX_LINES, PAGE_SIZE } from './lines.ts'

export interface LogSearch {
  /** Lines that match, beyond those that the page has loaded. */
  readonly found: readonly TaskLogLine[]
  /** Lines looked through so far; undefined before the search. */
  readonly searched: number | undefined
  readonly isSearching: boolean
  readonly start: () => void
}

interface State {
  readonly key: string
  readonly found: readonly TaskLogLine[]
  readonly searched: number
  readonly isSearching: boolean
}

export function matchesLine({ message, data }: TaskLogLine, wanted: string): boolean {
  return `${message} ${data === undefined ? '' : JSON.stringify(data)}`.toLowerCase().includes(wanted)
}

/** Looks through the whole log on demand, from its beginning; of its lines only those that match are kept. */
export function useLogSearch(taskId: string, level: LogLevel | '', wanted: string): LogSearch {
  const key = `${taskId} ${level} ${wanted}`
  const [state, setState] = useState<State>()
  const running = useRef<AbortController>(undefined)
  // biome-ignore lint/correctness/useExhaustiveDependencies: another search ends this one
  useEffect(() => () => running.current?.abort(), [key])
  const current = state?.key === key ? state : undefined
  const search = async (signal: AbortSignal) => {
    const found: TaskLogLine[] = []
    let searched = 0
    const show = (isSearching: boolean) => setState({ key, found: [...found], searched, isSearching })
    show(true)
    for (let afterId = 0; ; ) {
      const query = { afterId, pageSize: PAGE_SIZE, ...(level === '' ? {} : { level }) }
      const page = await attempt(() => client.listLogs(taskId, query, { signal }))
      if (signal.aborted) return
      const logs = page?.logs ?? []
      searched += logs.length
      found.push(...logs.filter((line) => matchesLine(line, wanted)))
      const last = logs.at(-1)
      const isOver = !last || logs.length < PAGE_SIZE || found.length >= MAX_LINES
      show(!isOver)
      if (isOver) return
      afterId = last.id
    }
  }
  return {
    found: current?.found ?? [],
    searched: current?.searched,
    isSearching: current?.isSearching ?? false,
    start: () => {
      running.current?.abort()
      running.current = new AbortController()
      void search(running.current.signal)
    },
  }
}
