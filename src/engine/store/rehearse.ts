import { type Database, execute, statement } from '../../db/database.ts'
import type { TypeLimits } from '../definition/limits.ts'
import { countsFor } from './claim-branches.ts'
import { ratedTypes } from './rates.ts'
import { ATTEMPTS, LOGS, SCHEDULES, STARTS, STEPS, TASKS, TYPES } from './tables.ts'

/** Statements for tests alone. */

// clock_timestamp(), because now() is taken before the snapshot, which may show a task created after it.
const FIND_OPEN = statement(
  'find_open',
  `(select 'schedule ' || name as name
      from ${SCHEDULES}
     where task_type = any($1::text[]) and enabled and next_run_at <= clock_timestamp()
     order by name
     limit 100)
   union all
   (select task_id || case when status = 'running' and executor_id <> $5 then ' (another executor has it)' else '' end
      from ${TASKS} t
     where task_type = any($1::text[])
       and (status = 'running'
            or (status = 'pending' and run_at <= clock_timestamp()
                and (expires_at is null or expires_at > clock_timestamp())
                and not exists (select from ${TYPES} p
                                 where p.task_type = t.task_type and p.paused_at is not null)
                and not exists (select from unnest($2::text[], $3::int[], $4::float8[]) as r (task_type, max, window_ms)
                                 where r.task_type = t.task_type
                                   and (select count(*) from ${STARTS} s
                                         where s.task_type = t.task_type and s.rate_key = coalesce(t.rate_key, '')
                                           and ${countsFor('s', 'r.window_ms')}) >= r.max)))
     order by id
     limit 100)`,
)

/** What runs, or can start now; and whether another executor has a task. */
export async function findOpen(
  db: Database,
  types: readonly TypeLimits[],
  executorId: string,
): Promise<string[]> {
  const rated = ratedTypes(types)
  const rows = await execute<{ name: string }>(db, FIND_OPEN, [
    types.map(({ taskType }) => taskType),
    rated.map(({ taskType }) => taskType),
    rated.map(({ rate }) => rate.max),
    rated.map(({ rate }) => rate.windowMs),
    executorId,
  ])
  return rows.map((row) => row.name)
}

const FIND_OF_TYPE = statement(
  'find_of_types',
  `select task_id as "taskId" from ${TASKS} where task_type = any($1::text[]) order by id limit 1000`,
)

export async function findTasksOf(db: Database, taskTypes: readonly string[]): Promise<string[]> {
  const rows = await execute<{ taskId: string }>(db, FIND_OF_TYPE, [taskTypes])
  return rows.map((row) => row.taskId)
}

const END_SLEEPS = statement(
  'end_sleeps',
  `with woken as (
     update ${TASKS} t
        set run_at = now()
      where t.task_type = any($1::text[]) and t.status = 'pending' and t.run_at > now()
        and exists (select from ${ATTEMPTS} a
                     where a.task_id = t.task_id and a.attempt = t.attempt and a.outcome = 'sleeping')
        and not exists (select from ${TYPES} p where p.task_type = t.task_type and p.paused_at is not null)
     returning t.task_id
   ), ended as (
     update ${STEPS} s set ended_at = now() from woken where s.task_id = woken.task_id and s.ended_at > now()
   )
   select task_id as "taskId" from woken`,
)

/** Whether any task slept. */
export async function endSleeps(db: Database, taskTypes: readonly string[]): Promise<boolean> {
  return (await execute(db, END_SLEEPS, [taskTypes])).length > 0
}

const AGO = `- $1::float8 * interval '1 millisecond'`
// Heartbeats stay, so that executors stay alive. Ticks are whole seconds, and so they stay.
const AGE = statement(
  'age',
  `with attempts as (
     update ${ATTEMPTS} set started_at = started_at ${AGO}, ended_at = ended_at ${AGO}
   ), steps as (
     update ${STEPS} set started_at = started_at ${AGO}, ended_at = ended_at ${AGO}
   ), logs as (
     update ${LOGS} set created_at = created_at ${AGO}
   ), starts as (
     update ${STARTS} set started_at = started_at ${AGO}
   ), schedules as (
     update ${SCHEDULES}
        set next_run_at = date_trunc('second', next_run_at ${AGO}),
            last_run_at = date_trunc('second', last_run_at ${AGO})
   )
   update ${TASKS}
      set run_at = run_at ${AGO}, created_at = created_at ${AGO}, started_at = started_at ${AGO},
          completed_at = completed_at ${AGO}, cancelled_at = cancelled_at ${AGO},
          expires_at = expires_at ${AGO}`,
)

export async function ageTasks(db: Database, ms: number): Promise<void> {
  await execute(db, AGE, [ms])
}
