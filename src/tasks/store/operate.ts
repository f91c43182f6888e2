import { type Database, execute, statement } from '../../db/database.ts'
import { BACK_TO_PENDING, HANDLER_IS_LEFT } from './fence.ts'
import { TASK_COLUMNS, type TaskRow } from './rows.ts'

/** What an operator does to a task: cancel, retry, delete. Each is one guarded statement. */

export interface CancelledRun {
  readonly attempt: number
  /** Null when it was pending: nobody runs it. */
  readonly executorId: string | null
}

const CANCEL = statement(
  'cancel',
  `with cancelled as (
     update async_tasks
        set status = 'cancelled', cancelled_at = now(), stopping = (status = 'running')
      where task_id = $1 and status in ('pending', 'running')
     returning task_id, attempt, executor_id, started_at, stopping
   ), recorded as (
     insert into async_task_attempts (task_id, attempt, executor_id, started_at, outcome)
     select task_id, attempt, executor_id, started_at, 'cancelled' from cancelled where stopping
   )
   select attempt, case when stopping then executor_id end as "executorId" from cancelled`,
)

/** Undefined when there was nothing to cancel. */
export async function cancelTask(db: Database, taskId: string): Promise<CancelledRun | undefined> {
  return (await execute<CancelledRun>(db, CANCEL, [taskId]))[0]
}

// A completed attempt is derived from the row, so it gets a row of its own before the row forgets it. The lock
// comes first: without it that insert could meet a row that another transaction deletes or retries meanwhile.
const RETRY = statement(
  'retry',
  `with ended as (
     select t.id, t.task_id, t.status, t.attempt, t.executor_id, t.started_at, t.completed_at
       from async_tasks t
      where t.task_id = $1 and t.status in ('completed', 'failed', 'cancelled') and not ${HANDLER_IS_LEFT('t')}
        for no key update
   ), recorded as (
     insert into async_task_attempts (task_id, attempt, executor_id, started_at, ended_at, outcome)
     select task_id, attempt, executor_id, started_at, completed_at, status
       from ended
      where status = 'completed'
     on conflict do nothing
   )
   update async_tasks t
      set ${BACK_TO_PENDING}, run_at = now(), retry_count = 0, error_message = null, result = null,
          completed_at = null, cancelled_at = null
     from ended
    where t.id = ended.id
   returning ${TASK_COLUMNS}`,
)

/** The row as it is pending again; undefined when the task is missing, has not ended, or is still stopping. */
export async function retryTask(db: Database, taskId: string): Promise<TaskRow | undefined> {
  return (await execute<TaskRow>(db, RETRY, [taskId]))[0]
}

const DELETE = statement(
  'delete',
  `delete from async_tasks
    where task_id = $1 and status in ('completed', 'failed', 'cancelled')
   returning true as deleted`,
)

/** False when the task is missing or has not ended. */
export async function deleteTask(db: Database, taskId: string): Promise<boolean> {
  return (await execute(db, DELETE, [taskId])).length > 0
}
