import { LAST_ATTEMPT } from '../definition/lifecycle.ts'
import { isGloballyLimited, limitsRunning, type TypeLimits } from '../definition/limits.ts'
import { HANDLER_IS_LEFT } from './fence.ts'
import { PARAMS, STARTS, TASKS, TYPES } from './tables.ts'

/**
 * The text of a claim: one branch per type walks that type's part of `idx_async_tasks_due`; the branches are merged by
 * priority, run_at, id, and rows are locked one by one in that order until the limit is reached. Paused types, types at
 * their limit and types of other executors cost nothing. Four details keep that plan at any size and statistics:
 * - ids are collected in an `array(…)`, which runs once; joined to the update, `limit $n` is estimated at a tenth of
 *   the backlog, and the plan scans the history;
 * - rows are locked below a lateral join, which keeps the order of its outer side: `for update` over the merged query
 *   does not keep the order of the merge;
 * - rows are locked by `ctid`: by id, the planner may walk the partial index of pending rows;
 * - parameters that decide how many rows are estimated are sub-selects, opaque to custom plans too: a branch estimated
 *   at many rows would be sorted, and a custom plan that seems cheaper would be made anew for each claim.
 *
 * Parameters: $1 executor, $2 limit, $3 types, $4 capacity and $5 earliest due time of each type, $6 types with a limit
 * over all processes, $7 those limits, $8 the types of $6 that this claim includes. With rate limits: $9 those of each
 * type, $10 the milliseconds for which a start counts, $11 the types whose starts count by key.
 */

/** Due tasks that are searched for free keys, before a second claim hops from key to key. */
export const KEY_WINDOW = 200

const NEXT_ATTEMPT = `least(t.attempt, ${LAST_ATTEMPT - 1}) + 1`

export const ORDER = 'order by priority desc, run_at, id'

/** Written as an `or`: the planner then estimates it by the share of nulls, at nearly all rows. */
export const NOT_EXPIRED = '(expires_at is null or expires_at > now())'

const typeOf = (i: number) => `(select ($3::text[])[${i}])`

const due = (i: number) => `status = 'pending' and task_type = ${typeOf(i)} and run_at <= now()
                and run_at >= (select coalesce(($5::timestamptz[])[${i}], '-infinity')) and ${NOT_EXPIRED}
                and not exists (select from ${TYPES} p
                                 where p.task_type = ($3::text[])[${i}] and p.paused_at is not null)`

// The first comparison finds the row. Many versions of PostgreSQL do not repeat it for a row that was changed since the
// snapshot, so the second one skips such a row: the claim would return its old params.
const lockRow = (tid: string) => `
           cross join lateral (select c.id from ${TASKS} c
                                where c.ctid = ${tid} and (c.ctid = ${tid}) is true and c.status = 'pending'
                                  for update skip locked) locked`

/** A type without limits: its rows are locked after the merge. */
const freeBranch = (i: number) => `(select ctid as tid, id, priority, run_at from ${TASKS}
              where ${due(i)}
              ${ORDER} limit (select ($4::int[])[${i}]))`

// Locks before the merge: rows locked by other claims must not use up the type's capacity.
const processBranch = (i: number) => `(select tid, due.id, priority, run_at
               from (select ctid as tid, id, priority, run_at from ${TASKS} where ${due(i)} ${ORDER}) due${lockRow('due.tid')}
              ${ORDER.replace('id', 'due.id')} limit (select ($4::int[])[${i}]))`

// The status is tested twice: the first half matches the predicate of `idx_async_tasks_limited`, the second leaves out
// ended tasks whose executor is dead.
const holdsPermit = (i: number) => `r.task_type = ${typeOf(i)} and r.concurrency_key is not null
                  and (r.status = 'running' or r.stopping) and (r.status = 'running' or ${HANDLER_IS_LEFT('r')})`

/** Not if it seems to be in a later window, as after the clock was set back. */
export const countsFor = (s: string, ms: string) =>
  `${s}.started_at > now() - ${ms} * interval '1 millisecond' and ${s}.started_at < now() + ${ms} * interval '1 millisecond'`

/** Null for a type without a rate limit, and for one whose starts count by key: those are counted apart. */
const startsLeft = (i: number, key: string) => `($9::int[])[${i}] - (
                       select count(*) from ${STARTS} s
                        where s.task_type = ${typeOf(i)} and s.rate_key = ${key}
                          and ${countsFor('s', `(select ($10::float8[])[${i}])`)})`

function freePermits(i: number, limits: TypeLimits): string {
  const permits = [
    `($4::int[])[${i}]`,
    limitsRunning(limits)
      ? `($7::int[])[${i}] - (
                       select count(*) from ${TASKS} r where ${holdsPermit(i)})`
      : `($7::int[])[${i}]`,
    ...(limits.rate && !limits.rate.keyed ? [startsLeft(i, "''")] : []),
  ]
  return `(select case
                when ($3::text[])[${i}] in (select task_type from locked_types)
                then greatest(0, least(${permits.join(', ')})) else 0 end)`
}

const busyKeys = (i: number) => `array(select r.concurrency_key from ${TASKS} r where ${holdsPermit(i)})`

const globalBranch = (
  i: number,
  limits: TypeLimits,
) => `(select ctid as tid, id, priority, run_at from ${TASKS}
              where ${due(i)}
              ${ORDER} limit ${freePermits(i, limits)})`

/** The first task of each free key, within the window. Tasks created without a key share the key ''. */
const keyedBranch = (i: number, limits: TypeLimits) => `(select tid, id, priority, run_at
               from (select distinct on (key) tid, id, priority, run_at
                       from (select ctid as tid, id, priority, run_at, coalesce(concurrency_key, '') as key
                               from ${TASKS} where ${due(i)} ${ORDER} limit ${KEY_WINDOW}) due
                      where key <> all (${busyKeys(i)})
                      order by key, priority desc, run_at, id) firsts
              ${ORDER} limit ${freePermits(i, limits)})`

/** One per concurrency key, where the type has those, among tasks whose rate key has a permit. */
const onePerKey = (i: number, { keyed }: TypeLimits) => ({
  column: keyed ? `, coalesce(concurrency_key, '') as key` : '',
  isFree: keyed ? `and key <> all (${busyKeys(i)})` : '',
  place: keyed ? `, row_number() over (partition by key ${ORDER}) as key_place` : '',
  isFirst: keyed ? 'and key_place = 1' : '',
})

/** The first tasks of each rate key, as many as it has permits, within the window. */
function ratedBranch(i: number, limits: TypeLimits): string {
  const { column, isFree, place, isFirst } = onePerKey(i, limits)
  return `(with due as materialized (
                select ctid as tid, id, priority, run_at, coalesce(rate_key, '') as rate_key${column}
                  from ${TASKS} where ${due(i)} ${ORDER} limit ${KEY_WINDOW}
              ), free as materialized (
                select rate_key, ${startsLeft(i, 'keys.rate_key')} as permits
                  from (select distinct rate_key from due) keys
              ), placed as (
                select due.*, permits, row_number() over (partition by due.rate_key ${ORDER}) as place${place}
                  from due join free on free.rate_key = due.rate_key
                 where permits > 0 ${isFree}
              )
              select tid, id, priority, run_at from placed
               where place <= permits ${isFirst}
               ${ORDER} limit ${freePermits(i, limits)})`
}

/** All keys of pending tasks, by a loose index scan: one probe per key, however many tasks it has. */
export const pendingKeys = (column: string, type: string) => {
  const next = (after: string) => `(select ${column} from ${TASKS}
                        where status = 'pending' and task_type = ${type} and ${column} <> '' ${after}
                        order by ${column} limit 1)`
  return `keys as (
                select ${next('')} as key
                union all
                select ${next(`and ${column} > keys.key`)} from keys where keys.key is not null)`
}

/** The same without a window. */
function hoppingKeyedBranch(i: number, limits: TypeLimits): string {
  return `(with recursive ${pendingKeys('concurrency_key', typeOf(i))}
              select tid, id, priority, run_at
                from keys
               cross join lateral (select ctid as tid, id, priority, run_at from ${TASKS}
                        where ${due(i)} and concurrency_key = keys.key and concurrency_key <> ''
                        ${ORDER} limit 1) first
               where keys.key is not null and keys.key <> all (${busyKeys(i)})
               ${ORDER} limit ${freePermits(i, limits)})`
}

function hoppingRatedBranch(i: number, limits: TypeLimits): string {
  const { column, isFree, place, isFirst } = onePerKey(i, limits)
  return `(with recursive ${pendingKeys('rate_key', typeOf(i))},
              free as materialized (
                select keys.key as rate_key, ${startsLeft(i, 'keys.key')} as permits from keys where keys.key is not null
              ), firsts as (
                select first.*${place}
                  from free
                 cross join lateral (select ctid as tid, id, priority, run_at${column} from ${TASKS}
                        where ${due(i)} and rate_key = free.rate_key and rate_key <> ''
                        ${ORDER} limit greatest(0, free.permits)) first
                 where permits > 0 ${isFree}
              )
              select tid, id, priority, run_at from firsts
               where true ${isFirst}
               ${ORDER} limit ${freePermits(i, limits)})`
}

/** For types with more due tasks than the window shows. */
export function hoppingBranch(limits: TypeLimits, i: number): string {
  return limits.rate?.keyed ? hoppingRatedBranch(i, limits) : hoppingKeyedBranch(i, limits)
}

export function branch(limits: TypeLimits, i: number): string {
  if (limits.rate?.keyed) return ratedBranch(i, limits)
  if (limits.keyed) return keyedBranch(i, limits)
  if (isGloballyLimited(limits)) return globalBranch(i, limits)
  return limits.concurrency === null ? freeBranch(i) : processBranch(i)
}

/**
 * Types of which this claim may count the running tasks. `claims` is a version that each claim of the type raises: if
 * it differs between the snapshot and the locked row, another claim has committed since, and the count would be too low.
 * Such types are left out, and those that another claim has locked.
 */
const LOCKED_TYPES = `locked_types as materialized (
     select locked.task_type
       from (select task_type, claims from ${TYPES}
              where task_type = any($8::text[])
              order by task_type
                for update skip locked) locked
       join ${TYPES} seen on seen.task_type = locked.task_type and seen.claims = locked.claims
   ), `

const VERSION_RAISED = `, version_raised as (
     update ${TYPES} set claims = claims + 1
      where task_type in (select "taskType" from claimed) and task_type = any($6::text[])
   )`

/** Null: its start does not count. */
const RATE_KEY = `case when ($9::int[])[array_position($3::text[], t.task_type::text)] is null then null
                    when t.task_type = any($11::text[]) then coalesce(t.rate_key, '') else '' end as "rateKey", `

// As late as possible: by now() starts would seem further apart than they are.
const STARTED = `, started as (
     insert into ${STARTS} (task_type, rate_key, started_at)
     select "taskType", "rateKey", clock_timestamp() from claimed where "rateKey" is not null
   )`

const CLAIMED = `t.id, t.task_id as "taskId", t.task_type as "taskType", t.attempt,
               t.retry_count as "retryCount", t.max_retries as "maxRetries",
               t.timeout_seconds as "timeoutSeconds", t.created_by as "createdBy",
               t.priority, (extract(epoch from t.run_at) * 1000)::float8 as "dueAt",
               (extract(epoch from t.started_at) * 1000)::float8 as "claimedAt",
               (select json_object_agg(p.key, p.value)
                  from ${PARAMS} p
                 where p.task_id = t.task_id) as params`

/** What a claim does with types that have a limit over all processes: it has none, reports due tasks, or claims them. */
export type Limited = 'absent' | 'reported' | 'claimed'

/** A scalar, so that it stays a probe per type instead of a join. */
const NOT_PAUSED = (type: string) =>
  `(select true from ${TYPES} p where p.task_type = ${type} and p.paused_at is not null) is null`

/** When the next task of one of the types becomes due, in milliseconds of the database's clock: always in the future. */
export const nextDueOf = (types: string) => `(select (extract(epoch from min(next.run_at)) * 1000)::float8
                     from ${types}
                    cross join lateral (select run_at from ${TASKS}
                                         where status = 'pending' and task_type = u.task_type
                                           and run_at > now() and run_at > created_at
                                         order by run_at limit 1) next
                    where ${NOT_PAUSED('u.task_type')})`

/** Whether tasks are due that a claim which took none could have taken, such as locked ones. */
const dueIsLeft = (
  limited: Limited,
) => `exists (select from unnest((select $3::text[]), (select $4::int[])) as u (task_type, capacity)
                    cross join lateral (select from ${TASKS}
                                         where status = 'pending' and task_type = u.task_type and run_at <= now()
                                           and ${NOT_EXPIRED}
                                         ${ORDER} limit 1) first
                    where u.capacity is distinct from 0 and ${NOT_PAUSED('u.task_type')}
                      ${limited === 'absent' ? '' : 'and u.task_type <> all($6::text[])'} limit 1)`

export interface ClaimOptions {
  /** Also reads, where nothing was claimed, whether tasks are due: a second look. Default false. */
  readonly looks?: boolean | undefined
  /** Some types have a rate limit: their starts are recorded. Default false. */
  readonly isRated?: boolean | undefined
  /** Also reads the trace context of each claimed task. Default false. */
  readonly isTraced?: boolean | undefined
}

export function claimText(
  branches: readonly string[],
  limited: Limited,
  { looks = false, isRated = false, isTraced = false }: ClaimOptions = {},
): string {
  const merged = branches.length > 0 ? branches.join('\n             union all ') : NO_BRANCH
  const key = `,
            concurrency_key = case when t.task_type = any($6::text[]) then coalesce(t.concurrency_key, '')
                                   else t.concurrency_key end`
  return `with ${limited === 'claimed' ? LOCKED_TYPES : ''}claimed as (
     update ${TASKS} t
        set status = 'running', attempt = ${NEXT_ATTEMPT}, started_at = now(), executor_id = $1${limited === 'claimed' ? key : ''}
      where t.id = any(array(
              select locked.id
                from (select * from (${merged}) branches
                       ${ORDER}) due${lockRow('due.tid')}
               limit (select $2::int)))
     returning ${isTraced ? `t.trace_context as "traceContext", ` : ''}${isRated ? RATE_KEY : ''}${CLAIMED}
   )${limited === 'claimed' ? VERSION_RAISED : ''}${isRated ? STARTED : ''}
   select claim.*, claimed.*
     from (select extract(epoch from now())::float8 * 1000 as at, ${limited === 'absent' ? 'null' : WAITING} as waiting,
                  ${limited === 'claimed' ? 'array(select task_type from locked_types)' : 'null'} as "lockedTypes",
                  case when (select count(*) from claimed) < (select $2::int)
                       then ${nextDueOf('unnest((select $3::text[])) as u (task_type)')} end as "nextDueAt",
                  ${looks ? `not exists (select from claimed) and ${dueIsLeft(limited)}` : 'null'} as "isDueLeft") claim
     full join claimed on false`
}

// The limit makes this a probe per type instead of a join; the order makes it use the claim's index.
const WAITING = `array(select u.task_type from unnest((select $6::text[])) as u (task_type)
                     where (select true from ${TASKS}
                             where status = 'pending' and task_type = u.task_type and run_at <= now() and ${NOT_EXPIRED}
                             ${ORDER} limit 1)
                       and not exists (select from ${TYPES} p
                                        where p.task_type = u.task_type and p.paused_at is not null))`

/** For a claim without branches: it returns no row, and gives the parameters their types. */
const NO_BRANCH = `(select ctid as tid, id, priority, run_at from ${TASKS}
              where $3::text[] is null and $4::int[] is null and $5::timestamptz[] is null)`
