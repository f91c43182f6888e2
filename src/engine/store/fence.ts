import { LIVES } from './liveness.ts'
import { EXECUTORS } from './tables.ts'

/** Who may write about a run. Every write of a run takes effect only while its fence holds. */
export interface Fence {
  readonly taskId: string
  readonly attempt: number
  readonly executorId: string
}

/** Identifies a run within one executor, which may hold two attempts of a task at once. */
export function runKey({ taskId, attempt }: Pick<Fence, 'taskId' | 'attempt'>): string {
  return `${taskId} ${attempt}`
}

/** Its parameters, `fenceValues`, are always the first three of a statement. */
export const HOLDS_FENCE = `task_id = $1 and attempt = $2 and executor_id = $3 and status = 'running'`

/** Without a limit, a client that gives up leaves its backend waiting, one more with every retry. */
export const WAITS_BRIEFLY = `(select set_config('lock_timeout', '500ms', true)) is not null`

export const HOLDS_FENCE_BRIEFLY = `${HOLDS_FENCE}
      and ${WAITS_BRIEFLY}`

export function fenceValues(fence: Fence): [string, number, string] {
  return [fence.taskId, fence.attempt, fence.executorId]
}

/** A sleeper keeps its progress: the next attempt continues the run. */
export const SLEEPS = `status = 'pending', executor_id = null, stopping = false`

export const NO_PROGRESS = 'progress = 0, total = 0, step = null'

export const BACK_TO_PENDING = `${SLEEPS}, ${NO_PROGRESS}`

export const IS_SERVING = (e: string) => `${e}.stopped_at is null and ${LIVES(e)}`

/** The row has ended or was released, but the handler of its last attempt still runs in a living executor. */
export const HANDLER_IS_LEFT = (t: string) => `(${t}.stopping and exists (
          select from ${EXECUTORS} e
           where e.executor_id = ${t}.executor_id and ${IS_SERVING('e')}))`
