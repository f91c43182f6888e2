import { type Database, execute, statement } from '../../db/database.ts'
import { codeOf, LOCK_NOT_AVAILABLE, UNIQUE_VIOLATION } from '../../db/errors.ts'
import { TaskError } from '../errors.ts'
import { BACK_TO_PENDING, HANDLER_IS_LEFT } from './fence.ts'
import { TASK_COLUMNS, type TaskRow } from './rows.ts'
import { ATTEMPTS, TASKS } from './tables.ts'

/**
 * What an operator does to a task, or to many: cancel, retry, delete. Each is one guarded statement, and its text is
 * the same for both but for the rows it names.
 */

const ONE = 't.task_id = $1'

// Locked in the order of their ids, so that no two calls wait for each other in a circle.
const many = (allowed: string, lock = 'for no key update') => `t.id = any(array(
              select t.id
                from ${TASKS} t
               where t.task_id = any($1::text[]) and ${allowed}
               order by t.id
               ${lock}))`

const IS_UNFINISHED = `t.status in ('pending', 'running')`
const IS_FINISHED = `t.status in ('completed', 'failed', 'cancelled')`

export const STILL_STOPPING = HANDLER_IS_LEFT('t')

/** Which rows an action is for. */
export const ALLOWED = {
  cancel: IS_UNFINISHED,
  retry: `${IS_FINISHED} and not ${STILL_STOPPING}`,
  delete: IS_FINISHED,
} as const

export interface CancelledRun {
  readonly taskId: string
  readonly attempt: number
  /** Null when it was pending: nobody runs it. */
  readonly executorId: string | null
}

const cancel = (rows: string) => `with cancelled as (
     update ${TASKS} t
        set status = 'cancelled', cancelled_at = now(), stopping = (t.status = 'running')
      where ${rows} and ${ALLOWED.cancel}
     returning t.task_id, t.attempt, t.executor_id, t.started_at, t.stopping
   ), recorded as (
     insert into ${ATTEMPTS} (task_id, attempt, executor_id, started_at, outcome)
     select task_id, attempt, executor_id, started_at, 'cancelled' from cancelled where stopping
   )
   select task_id as "taskId", attempt, case when stopping then executor_id end as "executorId" from cancelled`

const CANCEL = statement('cancel', cancel(ONE))
const CANCEL_MANY = statement('cancel_many', cancel(many(ALLOWED.cancel)))

/** Undefined when there was nothing to cancel. */
export async function cancelTask(db: Database, taskId: string): Promise<CancelledRun | undefined> {
  return (await execute<CancelledRun>(db, CANCEL, [taskId]))[0]
}

/** Those that were cancelled. */
export function cancelTasks(db: Database, taskIds: readonly string[]): Promise<CancelledRun[]> {
  return execute(db, CANCEL_MANY, [taskIds])
}

// A completed attempt is derived from the row, so it gets a row of its own before the row forgets it. The lock
// comes first: without it that insert could meet a row that another transaction deletes or retries meanwhile.
const retry = (rows: string) => `with ended as (
     select t.id, t.task_id, t.status, t.attempt, t.executor_id, t.started_at, t.completed_at
       from ${TASKS} t
      where ${rows} and ${ALLOWED.retry}
          and (select set_config('lock_timeout', '500ms', true)) is not null
        for no key update
   ), recorded as (
     insert into ${ATTEMPTS} (task_id, attempt, executor_id, started_at, ended_at, outcome)
     select task_id, attempt, executor_id, started_at, completed_at, status
       from ended
      where status = 'completed'
     on conflict do nothing
   )
   update ${TASKS} t
      set ${BACK_TO_PENDING}, run_at = now(), retry_count = 0, error_message = null, result = null,
          completed_at = null, cancelled_at = null
     from ended
    where t.id = ended.id
   returning ${TASK_COLUMNS}`

const RETRY = statement('retry', retry(ONE))
const RETRY_MANY = statement('retry_many', retry(many(ALLOWED.retry)))

/**
 * The row as it is pending again; undefined when the task is missing, has not ended, or is still stopping.
 *
 * @throws TaskError `DUPLICATE_TASK` when another unfinished task has its unique key by now
 */
export async function retryTask(db: Database, taskId: string): Promise<TaskRow | undefined> {
  try {
    return (await execute<TaskRow>(db, RETRY, [taskId]))[0]
  } catch (error) {
    if (codeOf(error) === LOCK_NOT_AVAILABLE) {
      throw new TaskError(
        'UNIQUE_KEY_BUSY',
        `a transaction that has not ended holds ${taskId}, or its unique key`,
      )
    }
    if (codeOf(error) !== UNIQUE_VIOLATION) throw error
    throw new TaskError('DUPLICATE_TASK', `another unfinished task has the unique key of ${taskId}`)
  }
}

/** Those that are pending again, of all or none. */
export function retryTasks(db: Database, taskIds: readonly string[]): Promise<TaskRow[]> {
  return execute(db, RETRY_MANY, [taskIds])
}

const deletion = (rows: string) => `delete from ${TASKS} t
    where ${rows} and ${ALLOWED.delete}
   returning t.task_id as "taskId"`

const DELETE = statement('delete', deletion(ONE))
const DELETE_MANY = statement('delete_many', deletion(many(ALLOWED.delete, 'for update')))

/** False when the task is missing or has not ended. */
export async function deleteTask(db: Database, taskId: string): Promise<boolean> {
  return (await execute(db, DELETE, [taskId])).length > 0
}

/** Those that were deleted. */
export async function deleteTasks(db: Database, taskIds: readonly string[]): Promise<string[]> {
  const rows = await execute<{ taskId: string }>(db, DELETE_MANY, [taskIds])
  return rows.map((row) => row.taskId)
}
