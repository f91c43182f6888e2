import { useQuery } from '@tanstack/react-query'
import { createContext, type ReactNode, useContext, useEffect, useRef, useState } from 'react'
import {
  type ExecutorView,
  type TaskDetail,
  TasksApiError,
  type TasksWatchEvent,
} from '../../client/index.ts'
import { client } from '../client.ts'
import { callerQuery, LIVE, queryClient, retryNow, typesQuery } from './queries.ts'
import { useRoute } from './route.ts'
import { useVisible } from './use-visible.ts'

/** Changes of tasks come one by one; what they change is read again only so often. */
const SETTLE_MS = 500

export type Change = { type: 'reconnected' } | Exclude<TasksWatchEvent, { type: 'open' }>
type Listener = (change: Change) => void

interface Stream {
  readonly listeners: Set<Listener>
  /** The task that is shown and has ended: its stream has closed, and the stream of all tasks takes its place. */
  readonly endedTask: string | undefined
  readonly setEndedTask: (taskId: string | undefined) => void
}

const Context = createContext<Stream | undefined>(undefined)

/** A window has one stream at a time: that of the task that is shown while it goes on, else that of all tasks. */
export function StreamProvider({ children }: { children: ReactNode }) {
  const [listeners] = useState(() => new Set<Listener>())
  const [endedTask, setEndedTask] = useState<string>()
  const { view, params } = useRoute()
  useStream(listeners, view !== 'task' || params.get('task') === endedTask)
  useRefreshOnChange(listeners)
  // A dialog that opens starts from the types.
  useQuery({ ...typesQuery, notifyOnChangeProps: [] })
  return <Context value={{ listeners, endedTask, setEndedTask }}>{children}</Context>
}

export function useEndedTask(): Omit<Stream, 'listeners'> {
  return useStreamContext()
}

function useStreamContext(): Stream {
  const stream = useContext(Context)
  if (!stream) throw new Error('there is no StreamProvider')
  return stream
}

/** The caller changes nothing, so the page offers no change; the server refuses it anyway. */
export function useReadOnly(): boolean {
  return useQuery(callerQuery).data?.role === 'viewer'
}

/** What a caller who changes nothing is not shown. */
export function ForChanges({ children }: { children: ReactNode }) {
  return useReadOnly() ? null : children
}

/** Is called with every change of a task. */
export function useChanges(listener: Listener): void {
  const { listeners } = useStreamContext()
  const latest = useRef(listener)
  latest.current = listener
  useEffect(() => {
    const onChange: Listener = (change) => latest.current(change)
    listeners.add(onChange)
    return () => void listeners.delete(onChange)
  }, [listeners])
}

function useStream(listeners: ReadonlySet<Listener>, isWanted: boolean): void {
  const isVisible = useVisible()
  useEffect(() => {
    if (!isVisible || !isWanted) return
    const ended = new AbortController()
    void follow(listeners, ended.signal)
    return () => ended.abort()
  }, [isVisible, isWanted, listeners])
}

async function follow(listeners: ReadonlySet<Listener>, signal: AbortSignal): Promise<void> {
  try {
    for await (const event of client.watchAll({ signal })) {
      const change: Change = event.type === 'open' ? { type: 'reconnected' } : event
      for (const listener of listeners) listener(change)
    }
  } catch (error) {
    // A 401 has shown the log-in by now, and a 403 stands where the list would be.
    if (!signal.aborted && !(error instanceof TasksApiError)) throw error
  }
}

function useRefreshOnChange(listeners: Set<Listener>): void {
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    const refresh = () => {
      timer = isReading() ? setTimeout(refresh, SETTLE_MS) : undefined
      if (timer === undefined) void queryClient.invalidateQueries({ queryKey: [LIVE] })
    }
    const onChange = ({ type }: Change) => {
      if (type === 'reconnected') retryNow(false)
      if (type === 'reconnected' || type === 'type') void queryClient.invalidateQueries(typesQuery)
      timer ??= setTimeout(refresh, SETTLE_MS)
    }
    listeners.add(onChange)
    return () => {
      listeners.delete(onChange)
      clearTimeout(timer)
    }
  }, [listeners])
}

/** A slow reading may end before the next begins; one that has failed and waits is begun anew. */
function isReading(): boolean {
  const predicate = ({ state }: { state: { fetchFailureCount: number } }) => state.fetchFailureCount === 0
  return queryClient.isFetching({ queryKey: [LIVE], predicate }) > 0
}

/**
 * Whether a handler still works on a task whose row has ended, and whether it has ignored its signal for long. What a
 * dead executor had begun has stopped with it.
 */
export function stoppingState(
  executors: readonly ExecutorView[] | undefined,
  { taskId, executorId, stopping }: Pick<TaskDetail, 'taskId' | 'executorId' | 'stopping'>,
): 'no' | 'stopping' | 'stuck' {
  const executor = executors?.find(({ id }) => id === executorId)
  if (!executor?.alive) return 'no'
  if (executor.stuck.includes(taskId)) return 'stuck'
  return stopping ? 'stopping' : 'no'
}

/** Tasks whose handlers ignore their signals, in living executors. */
export function listStuck(executors: readonly ExecutorView[] | undefined): readonly string[] {
  return executors?.filter(({ alive }) => alive).flatMap(({ stuck }) => stuck) ?? []
}
