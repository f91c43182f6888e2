import { useMemo, useSyncExternalStore } from 'react'
import type { TaskList, TaskSummary } from '../../contract/task.ts'
import { checkOptions } from '../check-options.ts'
import type { TaskListQuery } from '../client.ts'
import { ListStore, NO_LIST } from '../list-store.ts'
import type { WatchConnection } from '../watch.ts'
import { useTasksClient } from './provider.ts'

export interface TaskListResult {
  tasks: readonly TaskSummary[]
  /** The page with its totals and cursor; undefined until it is known. */
  list: TaskList | undefined
  isLoading: boolean
  isError: boolean
  error: Error | undefined
  connection: WatchConnection | 'idle'
  /** Reads the page now. */
  refetch: () => Promise<void>
}

const nothing = () => () => {}

/** A page of tasks whose rows are live; what comes or goes appears within a second or so. */
export function useTaskList(
  query: TaskListQuery = {},
  options: { enabled?: boolean | undefined } = {},
): TaskListResult {
  checkOptions('useTaskList', options, ['enabled'])
  const { enabled = true } = options
  const client = useTasksClient()
  // The same words are the same query, whether or not it is the same object; a date's words are what is sent.
  const words = JSON.stringify(query)
  const store = useMemo(() => new ListStore(client, JSON.parse(words) as TaskListQuery), [client, words])
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
