import { type Database, execute, statement } from '../../db/database.ts'
import { BACK_TO_PENDING, type Fence, fenceValues, HOLDS_FENCE } from './fence.ts'

/** Each function answers whether the fence held; false: the row was cancelled, taken away or has ended. */
type Written = Promise<boolean>

// Progress becomes the total; where no total was ever known, the total becomes the progress.
const COMPLETE = statement(
  'complete',
  `update async_tasks
      set status = 'completed', completed_at = now(), result = $4, error_message = null,
          total = greatest(coalesce($5, total), progress, $6),
          progress = greatest(coalesce($5, total), progress, $6),
          step = coalesce($7, step)
    where ${HOLDS_FENCE}
   returning true as written`,
)

export interface LastProgress {
  readonly progress: number
  readonly total: number
  readonly step: string | null
}

export async function completeTask(
  db: Database,
  fence: Fence,
  result: string | null,
  last: LastProgress | undefined,
): Written {
  return (await execute(db, COMPLETE, completionValues(fence, result, last))).length > 0
}

/** The same statement for a transaction of the handler's. */
export const COMPLETE_SQL = COMPLETE.text

export function completionValues(
  fence: Fence,
  result: string | null,
  last: LastProgress | undefined,
): unknown[] {
  return [...fenceValues(fence), result, last?.total ?? null, last?.progress ?? null, last?.step ?? null]
}

/** An attempt that did not complete gets a row of its own, in the statement that ends it. */
const recordAttempt = (outcome: string, error: string) => `
   recorded as (
     insert into async_task_attempts (task_id, attempt, executor_id, started_at, outcome, error)
     select task_id, attempt, executor, started_at, ${outcome}, ${error} from ended
   )`

const logError = (message: string) => `
   logged as (
     insert into async_task_logs (task_id, attempt, level, message)
     select task_id, attempt, 'ERROR', ${message} from ended
   )`

const RETRY_LATER = statement(
  'retry_later',
  `with ended as (
     update async_tasks
        set ${BACK_TO_PENDING}, retry_count = retry_count + 1, error_message = $4,
            run_at = now() + $6::float8 * interval '1 millisecond'
      where ${HOLDS_FENCE}
     returning task_id, attempt, $3::uuid as executor, started_at
   ),${recordAttempt('$5', '$4')},${logError('$4')}
   select true as written from ended`,
)

export async function retryTaskLater(
  db: Database,
  fence: Fence,
  failure: { error: string; outcome: string; delayMs: number },
): Written {
  const values = [...fenceValues(fence), failure.error, failure.outcome, failure.delayMs]
  return (await execute(db, RETRY_LATER, values)).length > 0
}

const FAIL = statement(
  'fail',
  `with ended as (
     update async_tasks
        set status = 'failed', completed_at = now(), error_message = $4, stopping = $6
      where ${HOLDS_FENCE}
     returning task_id, attempt, $3::uuid as executor, started_at
   ),${recordAttempt('$5', '$4')},${logError('$4')}
   select true as written from ended`,
)

/** `stillRunning`: the handler has not returned, so an operator's retry must wait for it. */
export async function failTask(
  db: Database,
  fence: Fence,
  failure: { error: string; outcome: string; stillRunning: boolean },
): Written {
  const values = [...fenceValues(fence), failure.error, failure.outcome, failure.stillRunning]
  return (await execute(db, FAIL, values)).length > 0
}

const RELEASE = statement(
  'release',
  `with ended as (
     update async_tasks
        set ${BACK_TO_PENDING}, run_at = now() + $4::float8 * interval '1 millisecond'
      where ${HOLDS_FENCE}
     returning task_id, attempt, $3::uuid as executor, started_at
   ),${recordAttempt(`'interrupted'`, 'null')}
   select true as written from ended`,
)

/** Hands a task back unharmed, no retry spent, due after `delayMs`. */
export async function releaseTask(db: Database, fence: Fence, delayMs: number): Written {
  return (await execute(db, RELEASE, [...fenceValues(fence), delayMs])).length > 0
}

const HANDLER_RETURNED = statement(
  'handler_returned',
  `update async_tasks
      set stopping = false
    where task_id = $1 and attempt = $2 and executor_id = $3 and stopping
   returning true as written`,
)

/** Says that the handler of a row that ended before it has now returned: the task may be retried. */
export async function noteHandlerReturned(db: Database, fence: Fence): Written {
  return (await execute(db, HANDLER_RETURNED, fenceValues(fence))).length > 0
}

const FIND_END = statement(
  'find_end',
  `select (status = 'completed' and attempt = $2 and executor_id = $3) as completed,
          (select outcome from async_task_attempts a
            where a.task_id = t.task_id and a.attempt = $2 and a.executor_id = $3) as outcome
     from async_tasks t
    where task_id = $1`,
)

/**
 * What is written about the end of a run: tells a write whose answer was lost on the way from one that came too
 * late. Undefined when nothing is, or when the task is gone.
 */
export async function findEnd(db: Database, fence: Fence): Promise<string | undefined> {
  const [row] = await execute<{ completed: boolean; outcome: string | null }>(
    db,
    FIND_END,
    fenceValues(fence),
  )
  return row?.completed ? 'completed' : (row?.outcome ?? undefined)
}
