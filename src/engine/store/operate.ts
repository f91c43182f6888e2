import { type Database, execute, statement } from '../../db/database.ts'
import type { AuditedChange } from '../definition/actor.ts'
import { recordAttempts } from './attempts.ts'
import { auditCte, changeValue } from './audit.ts'
import { reportCte, reportDeletedCte } from './changes.ts'
import { BACK_TO_PENDING, HANDLER_IS_LEFT, WAITS_BRIEFLY } from './fence.ts'
import { TASK_COLUMNS, type TaskRow } from './rows.ts'
import { ATTEMPTS, CANCEL_REQUESTS, LOGS, STEPS, TASKS } from './tables.ts'

/** Locked rows are skipped, or waited for half a second: a queued statement would act after its caller gave up. */

export type LockedRows = 'skip' | 'wait'

function forBoth(name: string, text: (free: (allowed: string, lock?: string) => string) => string) {
  const texts = (locked: string) =>
    text(
      (allowed, lock = 'for no key update') =>
        `${free(allowed, `${lock}${locked}`)} and ${allowed} and ${WAITS_BRIEFLY}`,
    )
  return { skip: statement(name, texts(' skip locked')), wait: statement(`${name}_waiting`, texts('')) }
}

// Locks in the order of ids, so that no two calls deadlock.
const free = (allowed: string, lock: string) => `t.id = any(array(
              select t.id
                from ${TASKS} t
               where t.task_id = any($1::text[]) and ${allowed}
               order by t.id
               ${lock}))`

export const IS_UNFINISHED = `t.status in ('pending', 'running')`
const IS_FINISHED = `t.status in ('completed', 'failed', 'cancelled')`

export const STILL_STOPPING = HANDLER_IS_LEFT('t')

/** Its handler has not returned and has a permit: the row is what counts. */
export const HOLDS_PERMIT = `(t.concurrency_key is not null and ${STILL_STOPPING})`

export const ALLOWED = {
  cancel: IS_UNFINISHED,
  retry: `${IS_FINISHED} and not ${STILL_STOPPING}`,
  delete: `${IS_FINISHED} and not ${HOLDS_PERMIT}`,
} as const

export interface CancelledRun {
  readonly taskId: string
  readonly taskType: string
  readonly attempt: number
}

export interface CancelledTask extends CancelledRun {
  readonly wasPending: boolean
}

const CANCEL = forBoth(
  'cancel',
  (free) => `with cancelled as (
     update ${TASKS} t
        set status = 'cancelled', cancelled_at = now(), stopping = (t.status = 'running')
      where ${free(ALLOWED.cancel)}
     returning t.task_id, t.task_type, t.attempt, t.executor_id, t.started_at, t.stopping
   ), ${recordAttempts('cancelled', { executor: 'executor_id', outcome: `'cancelled'`, where: 'stopping' })}, carried_out as (
     delete from ${CANCEL_REQUESTS} where task_id = any(array(select task_id from cancelled))
   ), ${auditCte('cancelled', 'cancelled.task_id', 2)}, ${reportCte('cancelled')}
   select task_id as "taskId", task_type as "taskType", attempt, not stopping as "wasPending" from cancelled`,
)

export function cancelTasks(
  db: Database,
  taskIds: readonly string[],
  locked: LockedRows = 'skip',
  change?: AuditedChange,
): Promise<CancelledTask[]> {
  return execute(db, CANCEL[locked], [taskIds, changeValue(change)])
}

// A completed attempt is derived from the row, so it gets a row of its own before the task is reset. Locks first:
// another transaction may delete or retry the task meanwhile.
const retry = (
  free: (allowed: string) => string,
  dueAt: string,
  forgotten: string,
  audit: number,
  isRestored = 'false',
) => `with ended as (
     select t.id, t.task_id, t.status, t.attempt, t.executor_id, t.started_at, t.completed_at, t.run_at
       from ${TASKS} t
      where ${free(ALLOWED.retry)}
        for no key update
   ), ${forgotten}, recorded as (
     insert into ${ATTEMPTS} (task_id, attempt, executor_id, started_at, ended_at, outcome)
     select task_id, attempt, executor_id, coalesce(started_at, completed_at, now()), coalesce(completed_at, now()), status
       from ended
      where status = 'completed'
     on conflict do nothing
   ), outdated as (
     delete from ${CANCEL_REQUESTS} where task_id = any(array(select task_id from ended))
   ), ${auditCte('ended', 'ended.task_id', audit)}, ${reportCte('ended')}
   update ${TASKS} t
      set ${BACK_TO_PENDING}, run_at = ${dueAt}, result = null, completed_at = null, cancelled_at = null,
          retry_count = case when ${isRestored} then t.retry_count else 0 end,
          error_message = case when ${isRestored} then t.error_message end,
          expires_at = case when ${isRestored} then t.expires_at end
     from ended
    where t.id = ended.id
   returning ${TASK_COLUMNS}`

/** A cancelled task becomes what it was. */
const IS_RESTORED = `($3::boolean and ended.status = 'cancelled')`

// Cancelled while it slept: it sleeps on.
const SLEEPS_ON = `case when ${IS_RESTORED} or ended.status = 'cancelled' and exists (
                     select from ${ATTEMPTS} a
                      where a.task_id = ended.task_id and a.attempt = ended.attempt and a.outcome = 'sleeping')
                   then greatest(now(), ended.run_at) else now() end`

// A completed task starts anew.
const RETRY = forBoth('retry', (free) =>
  retry(
    free,
    SLEEPS_ON,
    `forgotten as (
     delete from ${STEPS} where task_id = any(array(select task_id from ended where status = 'completed'))
   )`,
    2,
    IS_RESTORED,
  ),
)

/** `$2`: the step from which it runs again, which is forgotten with all that finished after it; null: all are. */
const RETRY_FROM = forBoth('retry_from', (free) =>
  retry(
    (allowed) =>
      free(`${allowed} and ($2::text is null or exists (
                     select from ${STEPS} s where s.task_id = t.task_id and s.name = $2))`),
    'now()',
    `picked as (
     select s.task_id, s.id
       from ${STEPS} s
       join ended on ended.task_id = s.task_id
      where s.name = $2
   ), forgotten as (
     delete from ${STEPS} s
      using ended
      where s.task_id = ended.task_id and ($2::text is null or s.id >= (select id from picked))
   ), kept as (
     update ${STEPS} s
        set kept_after = ended.attempt
       from ended
      where s.task_id = ended.task_id and ended.status = 'completed' and s.id < (select id from picked)
   )`,
    3,
  ),
)

export interface RetryFrom {
  /** The name of a finished step; null: the start. */
  readonly step: string | null
}

interface RetryOptions {
  readonly from?: RetryFrom | undefined
  /** Cancelled tasks keep their due time, used retries, error and expiry. */
  readonly restore?: boolean | undefined
  readonly change?: AuditedChange | undefined
}

/** All or none. Waits half a second for a unique key in an open transaction. */
export function retryTasks(
  db: Database,
  taskIds: readonly string[],
  locked: LockedRows = 'skip',
  { from, restore = false, change }: RetryOptions = {},
): Promise<TaskRow[]> {
  const audit = changeValue(change)
  if (from === undefined) return execute(db, RETRY[locked], [taskIds, audit, restore])
  return execute(db, RETRY_FROM[locked], [taskIds, from.step, audit])
}

/** Log lines and steps that a statement deletes with its tasks, unless one task alone has more. */
const MAX_DELETED_ROWS = 200_000

/** The tasks have too many log lines and steps for one statement: nothing was deleted. */
export class TooManyRows extends Error {
  override readonly name = 'TooManyRows'
}

const rowsOf = (table: string) => `select from unnest($1::text[]) as given (id)
       cross join lateral (select from ${table} where task_id = given.id limit ${MAX_DELETED_ROWS}) of_one
       limit ${MAX_DELETED_ROWS}`

// The cascade has to end within the time limit for responses.
const DELETE = forBoth(
  'delete',
  (free) => `with size as materialized (
     select cardinality($1::text[]) > 1
            and (select count(*) from (${rowsOf(LOGS)}) l) + (select count(*) from (${rowsOf(STEPS)}) s)
                >= ${MAX_DELETED_ROWS} as "isTooLarge"
   ), deleted as (
     delete from ${TASKS} t
      where ${free(ALLOWED.delete, 'for update')} and not (select "isTooLarge" from size)
     returning t.task_id, t.created_by
   ), ${auditCte('deleted', 'deleted.task_id', 2)}, ${reportDeletedCte('deleted')}
   select task_id as "taskId" from deleted
   union all
   select null from size where "isTooLarge"`,
)

/** @throws TooManyRows for several tasks */
export async function deleteTasks(
  db: Database,
  taskIds: readonly string[],
  locked: LockedRows = 'skip',
  change?: AuditedChange,
): Promise<string[]> {
  const values = [taskIds, changeValue(change)]
  const rows = await execute<{ taskId: string | null }>(db, DELETE[locked], values)
  return rows.map(({ taskId }) => {
    if (taskId === null) throw new TooManyRows()
    return taskId
  })
}
