import { type Database, execute, statement } from '../../db/database.ts'
import { recordAttempts } from './attempts.ts'
import { type Fence, fenceValues, WAITS_BRIEFLY } from './fence.ts'
import { type CancelledRun, cancelTasks, IS_UNFINISHED } from './operate.ts'
import { CANCEL_REQUESTS, TASKS } from './tables.ts'

/**
 * The cancel of a task whose row a transaction holds, of its handler (`ctx.guard`, `ctx.complete`) or of the host.
 *
 * The row cannot be written, so the request is: into a table that no such lock reaches. At once the handler's signal
 * aborts. When the transaction has ended, the first to come cancels the task: the caller, who tries for a moment; the
 * run itself, when its handler returns, whatever it returns or throws; or the next heartbeat of any executor. So an
 * attempt whose signal was aborted never counts as failed, and is never retried. Two ends come before the cancel: a
 * transaction that completes the task, and a run that ended before it heard of the request. A retry that such a run
 * asked for is cancelled, too. An operator's retry forgets the request.
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

/** Requests the cancel of unfinished tasks; returns the runs to be aborted. */
export function requestCancels(db: Database, taskIds: readonly string[]): Promise<CancelledRun[]> {
  return execute(db, REQUEST, [taskIds])
}

const BATCH = 1_000

// Skip locked: several executors do this at once.
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

/** Cancels what was requested and is locked no longer; forgets requests of tasks that have ended or are gone. */
export async function carryOutCancels(db: Database): Promise<CancelledRun[]> {
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

/** The handler of a cancelled run has returned. True: its row could not be cancelled before, and is so now. */
export async function endCancelledRun(db: Database, fence: Fence): Promise<boolean> {
  return (await execute(db, CANCELLED_RETURNED, fenceValues(fence))).length > 0
}
