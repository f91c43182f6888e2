import { type Database, execute, statement } from '../../db/database.ts'
import { recordAttempts } from './attempts.ts'
import { type Fence, fenceValues, WAITS_BRIEFLY } from './fence.ts'
import { type CancelledRun, type CancelledTask, cancelTasks, IS_UNFINISHED } from './operate.ts'
import { CANCEL_REQUESTS, TASKS } from './tables.ts'

/**
 * Cancels of tasks whose rows are locked: the request goes to a table outside that lock, and the signal aborts at once.
 * After the transaction the caller, the returning run or any heartbeat cancels the task, unless it was completed.
 */

const REQUEST = statement(
  'cancel_request',
  `with locked as (
     select t.task_id, t.task_type, t.attempt, t.status
       from ${TASKS} t
      where t.task_id = any($1::text[]) and ${IS_UNFINISHED}
   ), requested as (
     insert into ${CANCEL_REQUESTS} (task_id) select task_id from locked order by task_id
     on conflict do nothing
   )
   select task_id as "taskId", task_type as "taskType", attempt from locked where status = 'running'`,
)

export function requestCancels(db: Database, taskIds: readonly string[]): Promise<CancelledRun[]> {
  return execute(db, REQUEST, [taskIds])
}

const BATCH = 1_000

const OUTDATED = statement(
  'cancel_requests_outdated',
  `delete from ${CANCEL_REQUESTS}
    where task_id = any(array(
            select r.task_id
              from ${CANCEL_REQUESTS} r
             where not exists (select from ${TASKS} t where t.task_id = r.task_id and ${IS_UNFINISHED})
             order by r.task_id
             limit ${BATCH}
               for update of r skip locked))`,
)

const OPEN = statement(
  'cancel_requests_open',
  `select task_id as "taskId" from ${CANCEL_REQUESTS} order by random() limit ${BATCH}`,
)

/** Cancels requested tasks that are no longer locked; deletes requests of tasks that have ended or are gone. */
export async function carryOutCancels(db: Database): Promise<CancelledTask[]> {
  await execute(db, OUTDATED, [])
  const open = await execute<{ taskId: string }>(db, OPEN, [])
  return open.length === 0
    ? []
    : cancelTasks(
        db,
        open.map(({ taskId }) => taskId),
      )
}

const CANCELLED_RETURNED = statement(
  'cancelled_returned',
  `with run as (
     select id, task_id, attempt, started_at, status
       from ${TASKS}
      where task_id = $1 and attempt = $2 and executor_id = $3 and (status = 'running' or stopping)
        and ${WAITS_BRIEFLY}
        for no key update
   ), ended as (
     update ${TASKS} t
        set stopping = false,
            status = case when run.status = 'running' then 'cancelled' else t.status end,
            cancelled_at = case when run.status = 'running' then now() else t.cancelled_at end
       from run
      where t.id = run.id
   ), ${recordAttempts('run', { executor: '$3::uuid', outcome: `'cancelled'`, where: `status = 'running'` })}, carried_out as (
     delete from ${CANCEL_REQUESTS} where task_id = any(array(select task_id from run where status = 'running'))
   )
   select true as cancelled from run where status = 'running'`,
)

/** Returns true if the returned run's row could be cancelled only now. */
export async function endCancelledRun(db: Database, fence: Fence): Promise<boolean> {
  return (await execute(db, CANCELLED_RETURNED, fenceValues(fence))).length > 0
}
