import { keepPreviousData, type UseQueryResult, useQuery } from '@tanstack/react-query'
import { type RefObject, useEffect, useRef, useState } from 'react'
import type { TaskList, TaskListQuery, TaskSummary } from '../../../client/index.ts'
import { client } from '../../client.ts'
import { hasPlace } from '../../state/place.ts'
import { every, LIVE, queryClient } from '../../state/queries.ts'
import { useChanges } from '../../state/server-state.tsx'
import { isSearch, type ListState } from './filter.ts'
import { changeTasks, holdRows, type RowChanges, type ShownList, showLatest } from './shown-list.ts'

const PAGE_SIZE = 50
const POLL_MS = 10_000

interface ReadList {
  readonly list: UseQueryResult<ShownList>
  /** Tasks that were searched so far; undefined: no search is under way. */
  readonly progress: number | undefined
  readonly stop: () => void
  /** Shows what the list has become, with the selected tasks. */
  readonly showNews: () => void
  /** Reads the list anew and shows it, held or not. */
  readonly renew: () => void
}

interface Held {
  readonly isHeld: () => boolean
  readonly isSelected: (taskId: string) => boolean
}

/** The list as read, with every change since. A search is not repeated: it may go through millions of tasks. */
export function useTaskList(scope: string, { filter, cursor }: ListState, held: Held): ReadList {
  const kept = useRef(new Map<string, TaskSummary>())
  const holding = useLatest(held)
  const [progress, setProgress] = useState<{ scope: string; tasks: number }>()
  const walk = useRef<Walk>(undefined)
  const isRenewed = useRenewed(scope)
  const isOnce = isSearch(filter)
  const queryKey = isOnce ? ['search', scope] : [LIVE, 'tasks', scope]
  const change = (work: (shown: ShownList | undefined) => ShownList | undefined) =>
    queryClient.setQueryData<ShownList>(queryKey, work)
  const place = (latest: TaskList, isFree: boolean) => {
    const before = queryClient.getQueryData<ShownList>(queryKey)
    const isHeld = !isFree && before !== undefined && before.tasks.length > 0 && holding.current.isHeld()
    return isHeld ? holdRows(before, latest) : showLatest(scope, latest, before, holding.current.isSelected)
  }
  const hasGap = useRowChanges((changes) => change((shown) => shown && changeTasks(shown, changes)))
  const list = useQuery({
    queryKey,
    queryFn: async ({ signal }) => {
      const query = { ...filter, pageSize: PAGE_SIZE, ...(cursor === undefined ? {} : { cursor }) }
      // A retry goes on where the reading before has failed.
      if (walk.current?.scope !== scope) walk.current = { scope, cursor, tasks: 0, isStopped: false }
      const isFree = isRenewed.current
      const read = filter.taskId ? listPicked : search
      try {
        const page = await read(query, {
          signal,
          walk: walk.current,
          onProgress: (tasks) => setProgress({ scope, tasks }),
        })
        walk.current = undefined
        const shown = queryClient.getQueryData<ShownList>(queryKey)
        const missed = hasGap.current ? await readMissed(shown, page, signal) : NO_CHANGES
        // A reading that gave way to another has not done it.
        if (isFree && !signal.aborted) isRenewed.current = false
        if (!signal.aborted) hasGap.current = false
        return changeTasks(place(keepSame(kept.current, page), isFree), missed)
      } finally {
        setProgress((shown) => (shown?.scope === scope ? undefined : shown))
      }
    },
    refetchInterval: !isOnce && every(POLL_MS),
    staleTime: isOnce ? 'static' : 0,
    placeholderData: keepPreviousData,
  })
  return {
    list,
    progress: progress?.scope === scope ? progress.tasks : undefined,
    stop: () => {
      if (walk.current) walk.current.isStopped = true
    },
    showNews: () =>
      change((before) => before && showLatest(before.scope, before.latest, before, held.isSelected)),
    renew: () => {
      isRenewed.current = true
      walk.current = undefined
      void list.refetch()
    },
  }
}

/** Whether the next reading is shown, held or not: what is known of an earlier visit is old, unless one goes back to it. */
function useRenewed(scope: string): RefObject<boolean> {
  const isRenewed = useRef(false)
  const visited = useRef<string>(undefined)
  if (visited.current !== scope) {
    visited.current = scope
    isRenewed.current = !hasPlace()
  }
  return isRenewed
}

const NO_CHANGES: RowChanges = new Map()

/** What became of shown tasks that are no longer listed. */
async function readMissed(
  shown: ShownList | undefined,
  latest: TaskList,
  signal: AbortSignal,
): Promise<RowChanges> {
  const listed = new Set(latest.tasks.map(({ taskId }) => taskId))
  const ids = shown?.tasks.map(({ taskId }) => taskId).filter((taskId) => !listed.has(taskId)) ?? []
  if (ids.length === 0) return NO_CHANGES
  const found = new Map(
    (await listPicked({ taskId: ids }, { signal })).tasks.map((task) => [task.taskId, task]),
  )
  return new Map(ids.map((taskId) => [taskId, found.get(taskId) ?? null]))
}

/** How far a search has come. */
interface Walk {
  readonly scope: string
  cursor: string | undefined
  tasks: number
  isStopped: boolean
}

interface SearchOptions {
  readonly signal: AbortSignal
  readonly walk: Walk
  readonly onProgress: (tasks: number) => void
}

/** So that the address of a call is no longer than proxies allow. */
const IDS_OF_A_CALL = 100

/** Tasks that are named one by one, on one page. */
async function listPicked(
  query: TaskListQuery,
  { signal }: Pick<SearchOptions, 'signal'>,
): Promise<TaskList> {
  const { taskId: ids = [], cursor: _cursor, ...filter } = query
  const calls = Array.from({ length: Math.ceil(ids.length / IDS_OF_A_CALL) }, (_, call) => {
    const taskId = ids.slice(call * IDS_OF_A_CALL, (call + 1) * IDS_OF_A_CALL)
    return client.listTasks({ ...filter, taskId, pageSize: IDS_OF_A_CALL }, { signal })
  })
  const tasks = (await Promise.all(calls)).flatMap((page) => page.tasks)
  tasks.sort((one, other) => other.createdAt.getTime() - one.createdAt.getTime())
  return { tasks, total: tasks.length, page: 1, pageSize: tasks.length, nextCursor: null }
}

/** Goes on where nothing was found, until something is, or nothing is left. */
async function search(query: TaskListQuery, { signal, walk, onProgress }: SearchOptions): Promise<TaskList> {
  for (;;) {
    const { cursor } = walk
    const page = await client.listTasks({ ...query, ...(cursor === undefined ? {} : { cursor }) }, { signal })
    if (!page.searched) return page
    walk.tasks += page.searched.tasks
    if (page.tasks.length > 0 || page.nextCursor === null || walk.isStopped) {
      return { ...page, searched: { ...page.searched, tasks: walk.tasks } }
    }
    walk.cursor = page.nextCursor
    onProgress(walk.tasks)
  }
}

/** Changes come one by one, thousands in a burst: rows are drawn once a frame. Returns whether some were missed. */
function useRowChanges(onChanges: (changes: RowChanges) => void): RefObject<boolean> {
  const hasGap = useRef(false)
  const waiting = useRef(new Map<string, TaskSummary | null>())
  const frame = useRef<number>(undefined)
  const latest = useLatest(onChanges)
  useEffect(
    () => () => {
      if (frame.current !== undefined) cancelAnimationFrame(frame.current)
    },
    [],
  )
  useChanges((news) => {
    if (news.type === 'reconnected') hasGap.current = true
    if (news.type === 'task') waiting.current.set(news.task.taskId, news.task)
    else if (news.type === 'deleted') waiting.current.set(news.taskId, null)
    else return
    frame.current ??= requestAnimationFrame(() => {
      frame.current = undefined
      const changes = waiting.current
      waiting.current = new Map()
      latest.current(changes)
    })
  })
  return hasGap
}

/** The value of the newest rendering, for what is called later. */
function useLatest<T>(value: T): { readonly current: T } {
  const latest = useRef(value)
  latest.current = value
  return latest
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
