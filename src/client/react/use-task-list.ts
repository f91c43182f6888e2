import { useEffect, useMemo, useRef, useSyncExternalStore } from 'react'
import type { TaskList, TaskSummary } from '../../contract/task.ts'
import { checkOptions } from '../check-options.ts'
import type { TaskListQuery, TasksClient } from '../client.ts'
import type { WatchConnection } from '../follow.ts'
import { ListStore, NO_LIST } from '../list-store.ts'
import { useTasksClient } from './provider.ts'

/** What `useTaskList` returns. */
export interface TaskListResult {
  /** The tasks of the page; empty until it is loaded. */
  tasks: readonly TaskSummary[]
  /** The page with its total and cursor; undefined until it is loaded. */
  list: TaskList | undefined
  /** True until the page or an error is there. */
  isLoading: boolean
  /** Whether `error` is set. */
  isError: boolean
  /** Why the page could not be loaded, or is no longer up to date. */
  error: Error | undefined
  /** `lost` while the server is unreachable and the data may be outdated; `idle` while nothing is followed. */
  connection: WatchConnection | 'idle'
  /** Loads the page now. */
  refetch: () => Promise<void>
}

const nothing = () => () => {}
const minuteOf = (date: Date) => Math.floor(date.getTime() / 60_000)

/**
 * The same words are the same query, whether or not it is the same object. A date counts by the minute: one that is made
 * anew in every render, such as an hour ago, keeps its list for a minute, and shows it until the next one is read.
 */
function useListStore(client: TasksClient, query: TaskListQuery): ListStore {
  const given = Object.entries(query).filter(([, value]) => value !== undefined)
  const shape = JSON.stringify(given.filter(([, value]) => !(value instanceof Date)))
  const words = JSON.stringify(
    given.map(([name, value]) => [name, value instanceof Date ? minuteOf(value) : value]),
  )
  const before = useRef<{ client: TasksClient; shape: string; store: ListStore }>(undefined)
  const latest = useRef(query)
  latest.current = query
  // biome-ignore lint/correctness/useExhaustiveDependencies: the query counts by its words
  const store = useMemo(() => {
    const isSame = before.current?.client === client && before.current.shape === shape
    return new ListStore(client, latest.current, isSame ? before.current?.store.read().list : undefined)
  }, [client, words])
  useEffect(() => {
    before.current = { client, shape, store }
  })
  return store
}

/** A page of tasks with live rows; new and removed tasks appear within about a second. */
export function useTaskList(
  query: TaskListQuery = {},
  options: { enabled?: boolean | undefined } = {},
): TaskListResult {
  checkOptions('useTaskList', options, ['enabled'])
  const { enabled = true } = options
  const client = useTasksClient()
  const store = useListStore(client, query)
  const { list, error, connection } = useSyncExternalStore(
    enabled ? store.subscribe : nothing,
    store.read,
    () => NO_LIST,
  )
  return {
    tasks: list?.tasks ?? [],
    list,
    isLoading: enabled && list === undefined && error === undefined,
    isError: error !== undefined,
    error,
    connection,
    refetch: store.refetch,
  }
}
