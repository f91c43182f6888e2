import { type Database, execute, statement } from '../../db/database.ts'
import { recordAttempts } from './attempts.ts'
import { groupOf } from './error-groups.ts'
import { BACK_TO_PENDING, type Fence } from './fence.ts'
import {
  createFollowUps,
  FOLLOW_UP,
  type FollowUp,
  type FollowUpColumns,
  withFollowUp,
} from './follow-ups.ts'
import { CLOCK_IS_STEADY, LIVES } from './liveness.ts'
import type { CancelledRun } from './operate.ts'
import { EXECUTORS, LOGS, TASKS, TYPES } from './tables.ts'
import { PENDING_TYPES } from './types-present.ts'

const EXECUTOR_IS_DEAD = `not exists (
              select from ${EXECUTORS} e
               where e.executor_id = t.executor_id and ${LIVES('e')})`

export const RESCUABLE_EXIST = `exists (select from ${TASKS} t where t.status = 'running' and ${EXECUTOR_IS_DEAD})`

const BATCH = 500

const RETRY_IS_LEFT = 't.retry_count < t.max_retries'

// Bounded, so that the death of a large executor holds locks only briefly. Skips locked rows: a dying executor's last
// write, or another rescuer, comes first.
const RESCUE = statement(
  'rescue',
  `with dead as (
     select t.id, t.executor_id
       from ${TASKS} t
      where t.status = 'running' and ${CLOCK_IS_STEADY('$1')} and ${EXECUTOR_IS_DEAD}
        and ($2::boolean or exists (select from ${EXECUTORS} e where e.executor_id = t.executor_id))
      order by t.id
      limit ${BATCH}
        for update skip locked
   ), ended as (
     update ${TASKS} t
        set status = case when ${RETRY_IS_LEFT} then 'pending' else 'failed' end,
            executor_id = case when ${RETRY_IS_LEFT} then null else t.executor_id end,
            retry_count = t.retry_count + case when ${RETRY_IS_LEFT} then 1 else 0 end,
            completed_at = case when ${RETRY_IS_LEFT} then null else now() end,
            progress = case when ${RETRY_IS_LEFT} then 0 else t.progress end,
            total = case when ${RETRY_IS_LEFT} then 0 else t.total end,
            step = case when ${RETRY_IS_LEFT} then null else t.step end,
            run_at = now(), stopping = false,
            error_message = 'attempt ' || t.attempt || ' was lost: its executor died',
            error_group = ${groupOf('t.task_type', 'attempt 1 was lost: its executor died')}
       from dead
      where t.id = dead.id
     returning t.task_id, t.task_type, t.attempt, dead.executor_id, t.started_at, t.status, t.error_message, t.created_by
   ), ${recordAttempts('ended', { executor: 'executor_id', outcome: `'lost'`, error: 'error_message' })}, logged as (
     insert into ${LOGS} (task_id, attempt, level, message)
     select task_id, attempt, 'ERROR', error_message from ended
   ), ${createFollowUps('ended', `failed.status = 'failed'`)}
   select ended.task_id as "taskId", ended.task_type as "taskType", ended.attempt, ended.status,
          ended.error_message as error, ${FOLLOW_UP}
     from ended left join followed on followed.task_id = ended.task_id`,
)

interface UnknownTypeTask extends CancelledRun {
  readonly error: string
  readonly followUp?: FollowUp
}

export interface RescuedTask extends UnknownTypeTask {
  /** Failed if no retry was left: a task that kills its process each time must end. */
  readonly status: 'pending' | 'failed'
}

/** At most 500 a call, none if the clock has jumped. `unlisted`: includes executors without a row. */
export async function rescueTasks(
  db: Database,
  judge: string | null = null,
  { unlisted = true }: { unlisted?: boolean } = {},
): Promise<RescuedTask[]> {
  const rows = await execute<RescuedTask & FollowUpColumns>(db, RESCUE, [judge, unlisted])
  return rows.map(withFollowUp)
}

const RELEASE_ALL_BUT = statement(
  'release_all_but',
  `with ended as (
     update ${TASKS}
        set ${BACK_TO_PENDING}, run_at = now() + $4::float8 * interval '1 millisecond'
      where id = any(array(
              select id
                from ${TASKS}
               where status = 'running' and executor_id = $1
                 and (task_id, attempt) not in (select * from unnest($2::text[], $3::int[]))
               order by id
                 for no key update skip locked))
     returning task_id, attempt, $1::uuid as executor, started_at
   ), ${recordAttempts('ended', { executor: 'executor', outcome: `'interrupted'` })}
   select task_id as "taskId" from ended`,
)

/** Releases rows under an executor that are not in `kept`; returns their ids. */
export async function releaseAllBut(
  db: Database,
  executorId: string,
  kept: readonly Pick<Fence, 'taskId' | 'attempt'>[],
  delayMs: number,
): Promise<string[]> {
  const rows = await execute<{ taskId: string }>(db, RELEASE_ALL_BUT, [
    executorId,
    kept.map((run) => run.taskId),
    kept.map((run) => run.attempt),
    delayMs,
  ])
  return rows.map((row) => row.taskId)
}

/**
 * Tasks `t` that were cancelled after the response to their claim was lost: no handler will return and free their permits.
 * $1: the executor; the others: ids and attempts that it holds. In the order of the index that has few others.
 */
export const isOrphanedStop = (ids: string, attempts: string) => `t.concurrency_key is not null and t.stopping
              and t.status <> 'running' and t.executor_id = $1
              and (t.task_id, t.attempt) not in (select * from unnest(${ids}::text[], ${attempts}::int[]))
            order by t.task_type, t.concurrency_key`

const END_ORPHANED_STOPS = statement(
  'end_orphaned_stops',
  `update ${TASKS}
      set stopping = false
    where id = any(array(
            select t.id from ${TASKS} t where ${isOrphanedStop('$2', '$3')}
               for no key update skip locked))
   returning task_type as "taskType"`,
)

/** Frees the permits of tasks that were cancelled after the response to their claim was lost; returns their types. */
export async function endOrphanedStops(
  db: Database,
  executorId: string,
  kept: readonly Pick<Fence, 'taskId' | 'attempt'>[],
): Promise<string[]> {
  const rows = await execute<{ taskType: string }>(db, END_ORPHANED_STOPS, [
    executorId,
    kept.map((run) => run.taskId),
    kept.map((run) => run.attempt),
  ])
  return [...new Set(rows.map((row) => row.taskType))]
}

/** $1: grace in seconds; $2: the caller, whose types are excluded first. Paused types are left alone. */
const UNKNOWN_TYPES = `${PENDING_TYPES}, others as materialized (
     select task_type from pending
      where task_type is not null
        and task_type not in (
              select name from ${EXECUTORS}, unnest(task_types) as name where executor_id = $2 and name is not null)
   ), registered as materialized (
     select distinct name as task_type from ${EXECUTORS}, unnest(task_types) as name
      where name is not null
        and heartbeat_at > now() - greatest($1::float8 * interval '1 second', 2 * lease_ms * interval '1 millisecond')
   ), unknown as materialized (
     select task_type from others
      where task_type not in (select task_type from registered)
        and not exists (select from ${TYPES} q where q.task_type = others.task_type and q.paused_at is not null)
   )`

const FAIL_UNKNOWN = statement(
  'fail_unknown_types',
  `with recursive ${UNKNOWN_TYPES}, ended as (
     update ${TASKS} t
        set status = 'failed', completed_at = now(),
            error_message = 'UNKNOWN_TASK_TYPE: no executor has registered ''' || t.task_type || '''',
            error_group = ${groupOf('t.task_type', "UNKNOWN_TASK_TYPE: no executor has registered 'a'")}
      where ${CLOCK_IS_STEADY('$2')}
        and t.id = any(array(
              select p.id
                from unknown
               cross join lateral (
                       select id from ${TASKS}
                        where status = 'pending' and task_type = unknown.task_type
                          and run_at <= now() - $1::float8 * interval '1 second'
                        order by priority desc, run_at, id
                        limit ${BATCH} for update skip locked) p
               limit ${BATCH}))
     returning t.task_id, t.task_type, t.attempt, t.error_message, t.created_by
   ), logged as (
     insert into ${LOGS} (task_id, level, message) select task_id, 'ERROR', error_message from ended
   ), ${createFollowUps('ended')}
   select ended.task_id as "taskId", ended.task_type as "taskType", ended.attempt, ended.error_message as error,
          ${FOLLOW_UP}
     from ended left join followed on followed.task_id = ended.task_id`,
)

/** Fails tasks that were due for the whole grace while no executor had registered their type; at most 500 a call. */
export async function failUnknownTypes(
  db: Database,
  executorId: string,
  graceSeconds: number,
): Promise<UnknownTypeTask[]> {
  const rows = await execute<UnknownTypeTask & FollowUpColumns>(db, FAIL_UNKNOWN, [graceSeconds, executorId])
  return rows.map(withFollowUp)
}
