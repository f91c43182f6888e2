import { LIVES } from './liveness.ts'
import { EXECUTORS } from './tables.ts'

/** Who may write about a run. Every write of a run carries it and takes effect only while it holds. */
export interface Fence {
  readonly taskId: string
  readonly attempt: number
  readonly executorId: string
}

/** Names a run among those of one executor: an old attempt may still hold a slot beside a new one of its task. */
export function runKey({ taskId, attempt }: Pick<Fence, 'taskId' | 'attempt'>): string {
  return `${taskId} ${attempt}`
}

/** Its parameters are always the first three of a statement. */
export const HOLDS_FENCE = `task_id = $1 and attempt = $2 and executor_id = $3 and status = 'running'`

/**
 * For a statement of the engine's own, which waits for a locked row half a second at a time. The client would give up
 * an answer that does not come and leave the backend waiting, one more with every try. The setting ends with the
 * statement's own transaction.
 */
export const WAITS_BRIEFLY = `(select set_config('lock_timeout', '500ms', true)) is not null`

export const HOLDS_FENCE_BRIEFLY = `${HOLDS_FENCE}
      and ${WAITS_BRIEFLY}`

export function fenceValues(fence: Fence): [string, number, string] {
  return [fence.taskId, fence.attempt, fence.executorId]
}

/** A row that waits again: nothing of the ended run shows but its errors and its start. */
export const BACK_TO_PENDING = `status = 'pending', executor_id = null, stopping = false,
         progress = 0, total = 0, step = null`

/** The executor `e` lives and has not stopped: it starts tasks of its types, sooner or later. */
export const IS_SERVING = (e: string) => `${e}.stopped_at is null and ${LIVES(e)}`

/** The row has ended or changed hands, and the handler of its last attempt runs on in an executor that lives. */
export const HANDLER_IS_LEFT = (t: string) => `(${t}.stopping and exists (
          select from ${EXECUTORS} e
           where e.executor_id = ${t}.executor_id and ${IS_SERVING('e')}))`
