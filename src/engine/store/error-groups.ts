import {
  type ErrorGroup,
  type ErrorGroupQuery,
  MAX_ERROR_GROUPS,
  MAX_GROUP_TASKS,
} from '../../contract/error-group-views.ts'
import { type Database, execute, query, statement } from '../../db/database.ts'
import { instant } from '../../db/reading.ts'
import type { AuditedChange } from '../definition/actor.ts'
import { type CountedErrors, GROUP_ID_CHARS, groupIdOf, maskError } from '../definition/error-groups.ts'
import { auditCte, changeValue } from './audit.ts'
import { Values } from './list-branches.ts'
import { ERROR_GROUPS, TASKS } from './tables.ts'

/** Groups of a type that may have failed within a day; further messages are counted together. */
const MAX_LIVE = 100
/** Groups of a type that a prune leaves. */
const MAX_KEPT = 200
const HOURS = 24

const hourOf = (at: string) => `date_bin('1 hour', ${at}, 'epoch')`
const textOf = (text: string) => `'${text.replaceAll("'", "''")}'`

/** `errorGroupOf` in SQL, for errors that the engine itself words. */
export const groupOf = (taskType: string, error: string) =>
  `left(encode(sha256(convert_to(${taskType} || chr(10) || ${textOf(maskError(error))}, 'UTF8')), 'hex'), ${GROUP_ID_CHARS})`

/** Failures of a group that were counted together, some time ago. */
export interface CountedGroup extends CountedErrors {
  readonly taskType: string
  readonly ageMs: number
}

export function errorsValue(groups: readonly CountedGroup[]): string {
  return JSON.stringify(
    groups.map(({ groupId, taskType, message, sample, taskId, count, ageMs }) => ({
      group_id: groupId,
      rest_id: groupIdOf(taskType, ''),
      task_type: taskType,
      ...{ message, sample, count },
      task_id: taskId,
      age_ms: ageMs,
    })),
  )
}

const hoursLater = (later: string, earlier: string) =>
  `greatest(0, least(${HOURS}, extract(epoch from ${later} - ${earlier}) / 3600))::int`

/** Counts failures with the figures of the same flush. `$parameter` comes from `errorsValue`. */
export const countErrors = (parameter: number) => `errors as materialized (
     select given.*, now() - age_ms * interval '1 millisecond' as at
       from json_to_recordset($${parameter}::text::json)
         as given (group_id text, rest_id text, task_type text, message text, sample text, task_id text, count int, age_ms float8)
   ), new_groups as (
     select group_id, row_number() over (partition by task_type order by group_id) as nth,
            (select count(*) from ${ERROR_GROUPS} live
              where live.task_type = given.task_type and live.last_at > now() - interval '1 day') as live
       from (select distinct group_id, task_type from errors) given
      where not exists (select from ${ERROR_GROUPS} known where known.group_id = given.group_id)
   ), grouped as materialized (
     select case when is_beyond then rest_id else group_id end as group_id, errors.task_type,
            case when is_beyond then '' else message end as message, sample, task_id, count, at
       from errors
       left join (select group_id as new_id, nth + live > ${MAX_LIVE} as is_beyond from new_groups) n on new_id = group_id
   ), counted_errors as (
     insert into ${ERROR_GROUPS} as m
            (group_id, task_type, message, sample, last_task_id, count, first_at, last_at, hours, hours_until)
     select group_id, task_type, message, (array_agg(sample order by at desc))[1], (array_agg(task_id order by at desc))[1],
            sum(count), min(at), max(at),
            array(select coalesce(sum(g.count) filter (where ${hourOf('g.at')} = hour), 0)::int
                    from generate_series(${hourOf('now()')} - interval '${HOURS - 1} hours', ${hourOf('now()')}, '1 hour') hour
                    left join grouped g on g.group_id = grouped.group_id
                   group by hour order by hour),
            ${hourOf('now()')}
       from grouped
      group by group_id, task_type, message
      order by group_id
     on conflict (group_id) do update
        set sample = excluded.sample, last_task_id = excluded.last_task_id, count = m.count + excluded.count,
            first_at = least(m.first_at, excluded.first_at), last_at = greatest(m.last_at, excluded.last_at),
            seen_at = case when excluded.first_at < m.last_at + interval '1 day' then m.seen_at end,
            hours = array(select coalesce(m.hours[i + ${hoursLater('excluded.hours_until', 'm.hours_until')}], 0) + excluded.hours[i]
                            from generate_series(1, ${HOURS}) i order by i),
            hours_until = greatest(m.hours_until, excluded.hours_until)
   )`

const COLUMNS = `g.group_id as id, g.task_type as "taskType", nullif(g.message, '') as message, g.sample as error,
          g.last_task_id as "lastTaskId", g.count::float8 as count, ${instant('g.first_at')} as "firstAt",
          ${instant('g.last_at')} as "lastAt", ${instant('g.seen_at')} as "seenAt",
          array(select coalesce(g.hours[i + ${hoursLater(hourOf('now()'), 'g.hours_until')}], 0)
                  from generate_series(1, ${HOURS}) i order by i) as hours,
          ${instant(hourOf('now()'))} as "hoursUntil",
          (select count(*)::int
             from (select from ${TASKS} t
                    where t.error_group = g.group_id and t.status = 'failed' limit ${MAX_GROUP_TASKS}) bounded) as "failedTasks"`

/** The latest first. */
export function listGroups(db: Database, { taskType, seen }: ErrorGroupQuery): Promise<ErrorGroup[]> {
  const values = new Values()
  const conditions = ['true']
  if (taskType !== undefined) conditions.push(`task_type = ${values.add(taskType)}`)
  if (seen !== undefined) conditions.push(`seen_at is ${seen ? 'not null' : 'null'}`)
  const text = `select ${COLUMNS}
     from (select * from ${ERROR_GROUPS}
            where ${conditions.join(' and ')}
            order by last_at desc, group_id
            limit ${MAX_ERROR_GROUPS}) g
    order by g.last_at desc, g.group_id`
  return query<ErrorGroup>(db, text, values.all)
}

const FIND = statement('error_group', `select ${COLUMNS} from ${ERROR_GROUPS} g where g.group_id = $1`)

export async function findGroup(db: Database, groupId: string): Promise<ErrorGroup | undefined> {
  return (await execute<ErrorGroup>(db, FIND, [groupId]))[0]
}

const mark = (name: string, seenAt: string) =>
  statement(
    name,
    `with marked as (
     update ${ERROR_GROUPS} set seen_at = ${seenAt} where group_id = $1 returning group_id
   ), ${auditCte('marked', 'marked.group_id', 2)}
   select true as marked from marked`,
  )
const MARK_SEEN = mark('error_group_seen', 'coalesce(seen_at, now())')
const MARK_UNSEEN = mark('error_group_unseen', 'null')

/** Returns false if there is no such group. */
export async function markGroup(
  db: Database,
  groupId: string,
  isSeen: boolean,
  change?: AuditedChange,
): Promise<boolean> {
  const marked = await execute(db, isSeen ? MARK_SEEN : MARK_UNSEEN, [groupId, changeValue(change)])
  return marked.length > 0
}

const FORGET = statement(
  'error_groups_forget',
  `delete from ${ERROR_GROUPS}
    where last_at < now() - $1::float8 * interval '1 millisecond'
       or group_id in (
          select group_id
            from (select group_id, row_number() over (partition by task_type order by last_at desc) as nth
                    from ${ERROR_GROUPS}) ranked
           where nth > ${MAX_KEPT})`,
)

/** @param olderThanMs undefined: their number alone is bounded */
export async function forgetGroups(db: Database, olderThanMs: number | undefined): Promise<void> {
  await execute(db, FORGET, [olderThanMs ?? null])
}
