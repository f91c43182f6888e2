import { MAX_SCHEDULES, type MissedTicks } from '../../contract/schedule.ts'
import { arrayLiteral, type Database, execute, statement } from '../../db/database.ts'
import { instant } from '../../db/reading.ts'
import type { AuditedChange } from '../definition/actor.ts'
import { auditCte, changeValue } from './audit.ts'
import { WAITS_BRIEFLY } from './fence.ts'
import { INSERTION_PARAMETERS, insertion, insertValues, type NewTask } from './insert.ts'
import { CLOCK_IS_STEADY, REGISTERS_TYPES } from './liveness.ts'
import { EXECUTORS, LOGS, SCHEDULES } from './tables.ts'

export interface ScheduleSettings {
  readonly name: string
  readonly cron: string
  readonly timeZone: string
  readonly taskType: string
  readonly params: string
  readonly enabled: boolean
  readonly missed: MissedTicks
}

export interface ScheduleRow extends ScheduleSettings {
  readonly declared: boolean
  readonly revision: string
  readonly nextRunAt: Date | null
  readonly lastRunAt: Date | null
  readonly lastTaskId: string | null
  readonly lastError: string | null
  readonly createdAt: Date
  readonly updatedAt: Date
}

/** False for infinity and instants that cannot be compared, which others may have written. */
const IS_TICK = `s.next_run_at between '0001-01-01T00:00:00Z' and '9999-12-31T00:00:00Z'`

/**
 * The first of the next ticks that no process has fired since the clock was read. A last tick later than now does not
 * count: the clock was set back.
 */
const NEXT_TICK = `(select coalesce(
                  min(tick) filter (where (s.last_run_at between tick and clock_timestamp()) is not true), max(tick))
             from unnest($8::timestamptz[]) as tick)`

const COLUMNS = `s.name, s.cron, s.time_zone as "timeZone", s.task_type as "taskType", s.params, s.enabled, s.missed,
          s.declared, s.revision, case when ${IS_TICK} then ${instant('s.next_run_at')} end as "nextRunAt",
          ${instant('s.last_run_at')} as "lastRunAt",
          s.last_task_id as "lastTaskId", s.last_error as "lastError", ${instant('s.created_at')} as "createdAt",
          ${instant('s.updated_at')} as "updatedAt"`

const AUDITED = (parameter: number) => auditCte('changed', 'changed.name', parameter)

const NOW = statement('now', `select ${instant('now()')} as now`)

export async function readClock(db: Database): Promise<Date> {
  const [row] = await execute<{ now: Date }>(db, NOW, [])
  if (!row) throw new Error('the database returned no time')
  return row.now
}

const LIST = statement('schedule_list', `select ${COLUMNS} from ${SCHEDULES} s order by s.name`)

export function listSchedules(db: Database): Promise<ScheduleRow[]> {
  return execute<ScheduleRow>(db, LIST, [])
}

const MISSING = statement(
  'schedules_missing',
  `select given.name
     from unnest($1::text[]) as given (name)
    where not exists (select from ${SCHEDULES} s where s.name = given.name)`,
)

export async function findMissingSchedules(db: Database, names: readonly string[]): Promise<Set<string>> {
  const rows = await execute<{ name: string }>(db, MISSING, [names])
  return new Set(rows.map(({ name }) => name))
}

const FIND = statement('schedule_find', `select ${COLUMNS} from ${SCHEDULES} s where s.name = $1`)

export async function findSchedule(db: Database, name: string): Promise<ScheduleRow | undefined> {
  return (await execute<ScheduleRow>(db, FIND, [name]))[0]
}

const INSERT = statement(
  'schedule_insert',
  `with changed as (
     insert into ${SCHEDULES} (name, cron, time_zone, task_type, params, enabled, missed, next_run_at)
     select $1, $2, $3, $4, $5, $6::boolean, $7, case when $6::boolean then ($8::timestamptz[])[1] end
      where (select count(*) from ${SCHEDULES}) < ${MAX_SCHEDULES}
     on conflict (name) do nothing
     returning *
   ), ${AUDITED(9)}
   select ${COLUMNS} from changed s`,
)

export async function insertSchedule(
  db: Database,
  settings: ScheduleSettings,
  nextTicks: readonly Date[],
  change?: AuditedChange,
): Promise<ScheduleRow | undefined> {
  const values = [...settingValues(settings, nextTicks), changeValue(change)]
  return (await execute<ScheduleRow>(db, INSERT, values))[0]
}

// Keeps `enabled`. The next tick changes only with cron or zone, or where there is none.
const DECLARE = statement(
  'schedule_declare',
  `insert into ${SCHEDULES} as s
          (name, cron, time_zone, task_type, params, enabled, missed, next_run_at, declared)
   select $1, $2, $3, $4, $5, $6::boolean, $7, case when $6::boolean then ($8::timestamptz[])[1] end, true
    where ${WAITS_BRIEFLY}
   on conflict (name) do update
      set cron = excluded.cron, time_zone = excluded.time_zone, task_type = excluded.task_type,
          params = excluded.params, missed = excluded.missed, declared = true,
          next_run_at = case when not s.enabled then null
                             when (s.cron, s.time_zone) is not distinct from (excluded.cron, excluded.time_zone)
                              and ${IS_TICK} then s.next_run_at
                             else ${NEXT_TICK} end,
          last_error = null, revision = gen_random_uuid(), updated_at = now()
    where (s.enabled and (${IS_TICK}) is not true)
       or (s.cron, s.time_zone, s.task_type, s.params, s.missed, s.declared)
          is distinct from
          (excluded.cron, excluded.time_zone, excluded.task_type, excluded.params, excluded.missed, true)
   returning ${COLUMNS}`,
)

export async function declareSchedule(
  db: Database,
  settings: ScheduleSettings,
  nextTicks: readonly Date[],
): Promise<boolean> {
  return (await execute(db, DECLARE, settingValues(settings, nextTicks))).length > 0
}

// Replaces the next tick only on request: ticks may pass meanwhile.
const UPDATE = statement(
  'schedule_update',
  `with changed as (
     update ${SCHEDULES} s
        set cron = $2, time_zone = $3, task_type = $4, params = $5, enabled = $6::boolean, missed = $7,
            next_run_at = case when not $6::boolean then null
                               when $10::boolean then ${NEXT_TICK}
                               else s.next_run_at end,
            last_error = null, revision = gen_random_uuid(), updated_at = now()
      where s.name = $1 and s.revision = $9 and ${WAITS_BRIEFLY}
     returning s.*
   ), ${AUDITED(11)}
   select ${COLUMNS} from changed s`,
)

/** Returns undefined if the schedule was changed or deleted since `before` was read. */
export async function updateSchedule(
  db: Database,
  before: ScheduleRow,
  settings: ScheduleSettings,
  next: { readonly ticks: readonly Date[]; readonly isNew: boolean },
  change?: AuditedChange,
): Promise<ScheduleRow | undefined> {
  const values = [...settingValues(settings, next.ticks), before.revision, next.isNew, changeValue(change)]
  return (await execute<ScheduleRow>(db, UPDATE, values))[0]
}

function settingValues(settings: ScheduleSettings, nextTicks: readonly Date[]): unknown[] {
  const { name, cron, timeZone, taskType, params, enabled, missed } = settings
  const ticks = arrayLiteral(nextTicks.map((tick) => tick.toISOString()))
  return [name, cron, timeZone, taskType, params, enabled, missed, ticks]
}

const DELETE = statement(
  'schedule_delete',
  `with changed as (
     delete from ${SCHEDULES} where name = $1 and ${WAITS_BRIEFLY} returning name
   ), ${AUDITED(2)}
   select name from changed`,
)

export async function deleteSchedule(db: Database, name: string, change?: AuditedChange): Promise<boolean> {
  return (await execute(db, DELETE, [name, changeValue(change)])).length > 0
}

export interface ComingSchedule extends ScheduleRow {
  readonly nextRunAt: Date
  /** The type is registered here; ticks of other types are due here after a lease. */
  readonly isKnown: boolean
  readonly inMs: number
  readonly now: Date
}

// Ticks of a type that another executor has registered are left to it.
const COMING = statement(
  'schedule_coming',
  `select ${COLUMNS}, here.known as "isKnown", ${instant('now()')} as now,
          (extract(epoch from s.next_run_at + here.delay - now()) * 1000)::float8 as "inMs"
     from ${SCHEDULES} s
    cross join lateral (
            select s.task_type = any($1::text[]) as known,
                   case when s.task_type = any($1::text[]) then interval '0'
                        else $2::float8 * interval '1 millisecond' end as delay) here
    where s.enabled and ${IS_TICK}
      and (here.known or $4::boolean and ${CLOCK_IS_STEADY('$5')} and not exists (
             select from ${EXECUTORS} e
              where s.task_type = any(e.task_types) and ${REGISTERS_TYPES('e')}))
    order by s.next_run_at + here.delay, s.name
    limit $3::int`,
)

export function listComing(
  db: Database,
  options: {
    readonly taskTypes: readonly string[]
    readonly leaseMs: number
    readonly limit: number
    /** Whether ticks of types without an executor may be taken; requires steady heartbeats of `judge`. */
    readonly judges: boolean
    readonly judge: string | null
  },
): Promise<ComingSchedule[]> {
  const { taskTypes, leaseMs, limit, judges, judge } = options
  return execute<ComingSchedule>(db, COMING, [taskTypes, leaseMs, limit, judges, judge])
}

const parameter = (n: number) => `$${INSERTION_PARAMETERS + n}`

/** Ticks that a schedule keeps. */
const KEPT_TICKS = 20

// Compare and set: the second process waits for the first one's commit and finds another next tick. In one statement
// with the tasks, so that no stalled process holds the row.
const TAKE = statement(
  'schedule_take',
  `with advanced as (
     update ${SCHEDULES}
        set next_run_at = ${parameter(4)}, last_run_at = coalesce(${parameter(5)}, last_run_at),
            last_task_id = coalesce(${parameter(6)}, last_task_id), last_error = ${parameter(7)},
            recent_ticks = (recent_ticks || ${parameter(8)}::text[])
                             [greatest(1, cardinality(recent_ticks || ${parameter(8)}::text[]) - ${KEPT_TICKS - 1}):]
      where name = ${parameter(1)} and revision = ${parameter(2)} and next_run_at = ${parameter(3)} and enabled
        and ${WAITS_BRIEFLY}
     returning name
   ), ${insertion({ condition: 'where exists (select from advanced)' })}, logged as (
     insert into ${LOGS} (task_id, level, message)
     select created.task_id, 'INFO',
            'created by schedule ''' || advanced.name || ''' for '
              || to_char(created.run_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
       from created cross join advanced
   )
   select name from advanced`,
)

/** What a tick did, as it is kept. */
export interface KeptTick {
  readonly at: Date
  readonly taskId: string | null
  readonly error: string | null
}

/** From a schedule's next tick to a later one, with a task for each tick in between that creates one. */
export interface Step {
  readonly schedule: Pick<ScheduleRow, 'name' | 'revision'>
  readonly from: Date
  readonly to: Date | null
  readonly tasks: readonly NewTask[]
  readonly error: string | null
  readonly ticks: readonly KeptTick[]
}

export async function takeStep(
  db: Database,
  { schedule, from, to, tasks, error, ticks }: Step,
): Promise<boolean> {
  const last = tasks.at(-1)
  const rows = await execute(db, TAKE, [
    ...insertValues(tasks),
    schedule.name,
    schedule.revision,
    from.toISOString(),
    to?.toISOString() ?? null,
    last?.runAt?.toISOString() ?? null,
    last?.taskId ?? null,
    error,
    ticks.slice(-KEPT_TICKS).map((tick) => JSON.stringify(tick)),
  ])
  return rows.length > 0
}

const FAILED = statement(
  'schedules_failed',
  `select name from ${SCHEDULES} where enabled and last_error is not null order by name`,
)

/** Names of the enabled schedules whose latest tick created no task. */
export async function findFailedSchedules(db: Database): Promise<string[]> {
  return (await execute<{ name: string }>(db, FAILED, [])).map(({ name }) => name)
}
