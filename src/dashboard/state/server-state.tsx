import { createContext, type ReactNode, useContext, useEffect, useRef, useState } from 'react'
import {
  type ExecutorView,
  type Health,
  type TaskDetail,
  type TaskStats,
  TasksApiError,
  type TasksWatchEvent,
  type TaskTypeView,
  type UserView,
} from '../../client/index.ts'
import { client } from '../client.ts'
import { HAS_LOGIN } from '../settings.ts'
import { useRoute } from './route.ts'
import { type Query, useQuery } from './use-query.ts'
import { useVisible } from './use-visible.ts'

/** Changes of tasks come one by one; counts and executors are read again only so often. */
const SETTLE_MS = 500

export type Change = { type: 'reconnected' } | Exclude<TasksWatchEvent, { type: 'open' }>
type Listener = (change: Change) => void

interface ServerState {
  readonly stats: Query<TaskStats>
  readonly executors: Query<ExecutorView[]>
  readonly types: Query<TaskTypeView[]>
  readonly health: Query<Health>
  /** Who looks, where the page has a log-in of its own. */
  readonly me: Query<UserView>
  /** The caller changes nothing, so the page offers no change; the server refuses it anyway. */
  readonly isReadOnly: boolean
  readonly listeners: Set<Listener>
  /** The task that is shown and has ended: its stream has closed, and the stream of all tasks takes its place. */
  readonly endedTask: string | undefined
  readonly setEndedTask: (taskId: string | undefined) => void
}

const Context = createContext<ServerState | undefined>(undefined)

/**
 * What every page looks at is read once for all of them. A window has one stream at a time: that of the task that is
 * shown while it goes on, else that of all tasks.
 */
export function ServerStateProvider({ children }: { children: ReactNode }) {
  const stats = useQuery('stats', (signal) => client.getStats({ signal }), { everyMs: 10_000 })
  const executors = useQuery('executors', (signal) => client.listExecutors({ signal }), { everyMs: 3_000 })
  const health = useQuery('health', (signal) => client.getHealth({ signal }), { everyMs: 5_000 })
  const types = useQuery('types', (signal) => client.listTaskTypes({ signal }), {
    everyMs: 30_000,
  })
  const me = useQuery(HAS_LOGIN ? 'me' : null, (signal) => client.me({ signal }), { everyMs: null })
  const caller = useQuery('caller', (signal) => client.getCaller({ signal }), { everyMs: null })
  const isReadOnly = caller.data?.role === 'viewer'
  const [listeners] = useState(() => new Set<Listener>())
  const [endedTask, setEndedTask] = useState<string>()
  const { view, params } = useRoute()
  useStream(listeners, view !== 'task' || params.get('task') === endedTask)
  const state = { stats, executors, types, health, me, isReadOnly, listeners, endedTask, setEndedTask }
  useRefreshOnChange(listeners, { stats, executors, types })
  return <Context value={state}>{children}</Context>
}

export function useServerState(): ServerState {
  const state = useContext(Context)
  if (!state) throw new Error('there is no ServerStateProvider')
  return state
}

/** What a caller who changes nothing is not shown. */
export function ForChanges({ children }: { children: ReactNode }) {
  return useServerState().isReadOnly ? null : children
}

/** Hears of every change of a task. */
export function useChanges(listener: Listener): void {
  const { listeners } = useServerState()
  const latest = useRef(listener)
  latest.current = listener
  useEffect(() => {
    const hear: Listener = (change) => latest.current(change)
    listeners.add(hear)
    return () => void listeners.delete(hear)
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

function useRefreshOnChange(
  listeners: Set<Listener>,
  queries: Pick<ServerState, 'stats' | 'executors' | 'types'>,
): void {
  const latest = useRef(queries)
  latest.current = queries
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    const refetch = () => {
      timer = undefined
      latest.current.stats.refetch()
      latest.current.executors.refetch()
    }
    const hear = (change: Change) => {
      if (change.type === 'type' || change.type === 'reconnected') latest.current.types.refetch()
      timer ??= setTimeout(refetch, SETTLE_MS)
    }
    listeners.add(hear)
    return () => {
      listeners.delete(hear)
      clearTimeout(timer)
    }
  }, [listeners])
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
