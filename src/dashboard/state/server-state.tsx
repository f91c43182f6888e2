import { createContext, type ReactNode, useContext } from 'react'
import { api, type Executor, type Stats, type TaskType } from '../api.ts'
import { type Query, useQuery } from './use-query.ts'

interface ServerState {
  readonly stats: Query<Stats>
  readonly executors: Query<Executor[]>
  readonly types: Query<TaskType[]>
}

const Context = createContext<ServerState | undefined>(undefined)

/** What every page looks at is read once for all of them. */
export function ServerStateProvider({ children }: { children: ReactNode }) {
  const stats = useQuery('stats', api.stats, { everyMs: 5_000 })
  const executors = useQuery('executors', api.executors, { everyMs: 3_000 })
  const types = useQuery('types', api.types, { everyMs: 30_000 })
  return <Context value={{ stats, executors, types }}>{children}</Context>
}

export function useServerState(): ServerState {
  const state = useContext(Context)
  if (!state) throw new Error('there is no ServerStateProvider')
  return state
}

/** Whether a handler still works on a task whose row has ended, and whether it has ignored its signal for long. */
export function stoppingState(executors: readonly Executor[] | undefined, taskId: string): 'no' | 'stopping' | 'stuck' {
  const holder = executors?.find((one) => one.alive && one.runningTasks.includes(taskId))
  if (executors?.some((one) => one.alive && one.stuck.includes(taskId))) return 'stuck'
  return holder ? 'stopping' : 'no'
}
