import { keepPreviousData, type UseQueryResult, useQuery } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import type { TaskList, TaskListQuery, TaskSummary } from '../../../client/index.ts'
import { client } from '../../client.ts'
import { every, LIVE, queryClient } from '../../state/queries.ts'
import { useChanges } from '../../state/server-state.tsx'
import { isSearch, type ListState } from './filter.ts'

const PAGE_SIZE = 50
const POLL_MS = 10_000

interface ShownList {
  readonly list: UseQueryResult<TaskList>
  /** Tasks that were searched so far; undefined: no search is under way. */
  readonly progress: number | undefined
  readonly stop: () => void
}

/** The list as read, with every change since. A search is not repeated: it may go through millions of tasks. */
export function useTaskList(scope: string, { filter, cursor }: ListState): ShownList {
  const kept = useRef(new Map<string, TaskSummary>())
  const [progress, setProgress] = useState<{ scope: string; tasks: number }>()
  const stopped = useRef<string>(undefined)
  const isOnce = isSearch(filter)
  const queryKey = isOnce ? ['search', scope] : [LIVE, 'tasks', scope]
  const list = useQuery({
    queryKey,
    queryFn: async ({ signal }) => {
      const query = { ...filter, pageSize: PAGE_SIZE, ...(cursor === undefined ? {} : { cursor }) }
      stopped.current = undefined
      try {
        const page = await search(query, {
          signal,
          goesOn: () => stopped.current !== scope,
          onProgress: (tasks) => setProgress({ scope, tasks }),
        })
        return keepSame(kept.current, page)
      } finally {
        setProgress((shown) => (shown?.scope === scope ? undefined : shown))
      }
    },
    refetchInterval: !isOnce && every(POLL_MS),
    staleTime: isOnce ? 'static' : 0,
    placeholderData: keepPreviousData,
  })
  useRowChanges((change) => queryClient.setQueryData<TaskList>(queryKey, change))
  return {
    list,
    progress: progress?.scope === scope ? progress.tasks : undefined,
    stop: () => {
      stopped.current = scope
    },
  }
}

interface SearchOptions {
  readonly signal: AbortSignal
  readonly goesOn: () => boolean
  readonly onProgress: (tasks: number) => void
}

/** Goes on where nothing was found, until something is, or nothing is left. */
async function search(
  query: TaskListQuery,
  { signal, goesOn, onProgress }: SearchOptions,
): Promise<TaskList> {
  let page = await client.listTasks(query, { signal })
  let tasks = page.searched?.tasks ?? 0
  while (page.searched && page.tasks.length === 0 && page.nextCursor !== null && goesOn()) {
    onProgress(tasks)
    page = await client.listTasks({ ...query, cursor: page.nextCursor }, { signal })
    tasks += page.searched?.tasks ?? 0
  }
  return page.searched ? { ...page, searched: { ...page.searched, tasks } } : page
}

/** Changes come one by one, thousands in a burst: rows are drawn once a frame. */
function useRowChanges(change: (work: (page: TaskList | undefined) => TaskList | undefined) => void): void {
  const waiting = useRef(new Map<string, TaskSummary>())
  const frame = useRef<number>(undefined)
  const latest = useRef(change)
  latest.current = change
  useEffect(
    () => () => {
      if (frame.current !== undefined) cancelAnimationFrame(frame.current)
    },
    [],
  )
  useChanges((news) => {
    if (news.type !== 'task') return
    waiting.current.set(news.task.taskId, news.task)
    frame.current ??= requestAnimationFrame(() => {
      frame.current = undefined
      const changes = waiting.current
      waiting.current = new Map()
      latest.current((page) => page && withChanges(page, changes))
    })
  })
}

function withChanges(page: TaskList, changes: ReadonlyMap<string, TaskSummary>): TaskList {
  if (!page.tasks.some(({ taskId }) => changes.has(taskId))) return page
  return { ...page, tasks: page.tasks.map((task) => changes.get(task.taskId) ?? task) }
}

/** A task that has not changed stays the same object, and its row is not drawn again. */
function keepSame(kept: Map<string, TaskSummary>, page: TaskList): TaskList {
  const tasks = page.tasks.map((task) => {
    const before = kept.get(task.taskId)
    return before && JSON.stringify(before) === JSON.stringify(task) ? before : task
  })
  kept.clear()
  for (const task of tasks) kept.set(task.taskId, task)
  return { ...page, tasks }
}
