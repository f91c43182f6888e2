import { LAST_ATTEMPT } from '../definition/lifecycle.ts'
import { countsFor, lockRow, NOT_EXPIRED, ORDER, pendingKeys, SEARCHED } from './claim-branches.ts'
import type { Rates } from './rates.ts'
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
 * over all processes, $7 those limits, $8 the types of $6 that this claim includes, $9 those with keys. With rate
 * limits: $10 those of each type, $11 the milliseconds for which a start counts, $12 the types whose starts count by key.
 */

const NEXT_ATTEMPT = `least(t.attempt, ${LAST_ATTEMPT - 1}) + 1`

/**
 * Types of which this claim may count the running tasks. `claims` is a version that each claim of the type raises: if
 * it differs between the snapshot and the locked row, another claim has committed since, and the count would be too low.
 * Such types are left out, and those that another claim has locked.
 */
const LOCKED_TYPES = `locked_types as materialized (
     select locked.task_type
       from (select task_type, claims from ${TYPES}
              where task_type = any((select $8::text[])::text[])
              order by task_type
                for update skip locked) locked
       join ${TYPES} seen on seen.task_type = locked.task_type and seen.claims = locked.claims
   ), `

const VERSION_RAISED = `, version_raised as (
     update ${TYPES} set claims = claims + 1
      where task_type in (select "taskType" from claimed) and task_type = any((select $6::text[])::text[])
   )`

/** Null: its start does not count. */
const RATE_KEY = `case when ($10::int[])[array_position($3::text[], t.task_type::text)] is null then null
                    when t.task_type = any($12::text[]) then coalesce(t.rate_key, '') else '' end as "rateKey", `

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

/** Types with a limit over all processes: there are none, the claim reports which have due tasks, or it claims them. */
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

const IS_NOT_FULL = '(select count(*) from claimed) < (select $2::int)'

/** Types with more due tasks than are searched for keys. */
const CROWDED = `array(select u.task_type from locked_types u
                     where u.task_type = any((select $9::text[])::text[])
                       and (select true from ${TASKS}
                             where status = 'pending' and task_type = u.task_type and run_at <= now()
                             ${ORDER} offset ${SEARCHED} limit 1))`

// Not as `exists`, which the planner may replace by a hash of all due tasks.
const isDue = (rows: string) =>
  `(select true from (${rows}) left_over where id <> all(array(select id from claimed)) limit 1)`

/** True if tasks of a key are due that this claim does not take, otherwise null. */
const KEY_IS_DUE = isDue(`select id from ${TASKS}
                                       where status = 'pending' and task_type = u.task_type and rate_key = keys.key
                                         and rate_key <> '' and run_at <= now() and ${NOT_EXPIRED} ${ORDER}`)

/** The same of tasks without a key, of which the first ones are searched: no index by key has them. */
const KEYLESS_IS_DUE = isDue(`select id
                                        from (select id, rate_key from ${TASKS}
                                               where status = 'pending' and task_type = u.task_type and run_at <= now()
                                                 and ${NOT_EXPIRED} ${ORDER} limit ${SEARCHED}) front
                                       where coalesce(rate_key, '') = ''`)

/**
 * Of each type: `at`, when its next permit becomes free, or the first of its keys that has none, in milliseconds of the
 * database's clock; null: none is missing. A permit returns when start number `max`, counted back from the last one, no
 * longer counts: one that this claim makes, or one before it. Of the keys, one with a permit has more due tasks: `isLeft`;
 * one without: `isHeld`.
 */
const nextPermits = (rates: Rates) => {
  const isByKey = 'u.task_type = any((select $12::text[])::text[])'
  // Only where it is needed: it takes longer to plan than the rest to run.
  const [keys, allKeys] =
    rates === 'by key'
      ? [
          `with recursive ${pendingKeys('rate_key', 'u.task_type')}`,
          `select '' as key, case when ${isByKey} then ${KEYLESS_IS_DUE} end as "isDue"
                              union all
                             select key, ${KEY_IS_DUE} from keys where key is not null and ${isByKey}`,
        ]
      : ['', `select '' as key, false as "isDue"`]
  return `(select json_object_agg(u.task_type, (
                     ${keys}
                     select json_build_object(
                              'at', (extract(epoch from min(permit.at)) * 1000)::float8,
                              'isLeft', coalesce(bool_or(permit.at is null and "isDue"), false),
                              'isHeld', coalesce(bool_or(permit.at is not null and "isDue"), false))
                       from (${allKeys}) all_keys
                       left join (select "rateKey", count(*)::int as starts from claimed
                                   where "taskType" = u.task_type group by "rateKey") made on made."rateKey" = all_keys.key
                       left join lateral (
                         select s.started_at from ${STARTS} s
                          where s.task_type = u.task_type and s.rate_key = all_keys.key and ${countsFor('s', 'u.window_ms')}
                          order by s.started_at desc
                         offset greatest(0, u.max - 1 - coalesce(made.starts, 0)) limit 1) nth on true
                      cross join lateral (
                         select case when made.starts >= u.max then clock_timestamp() else nth.started_at end
                                  + u.window_ms * interval '1 millisecond' as at) permit))
                     from unnest((select $3::text[]), (select $10::int[]), (select $11::float8[])) as u (task_type, max, window_ms)
                    where u.max is not null and u.task_type in (select task_type from locked_types))`
}

/** After a claim that took nothing: whether tasks are due that it could have taken, such as locked ones. */
const dueIsLeft = (
  limited: Limited,
) => `exists (select from unnest((select $3::text[]), (select $4::int[]), (select $5::timestamptz[]))
                            as u (task_type, capacity, since)
                    cross join lateral (select from ${TASKS}
                                         where status = 'pending' and task_type = u.task_type and run_at <= now()
                                           and run_at >= coalesce(u.since, '-infinity') and ${NOT_EXPIRED}
                                         ${ORDER} limit 1) first
                    where u.capacity is distinct from 0 and ${NOT_PAUSED('u.task_type')}
                      ${limited === 'absent' ? '' : 'and u.task_type <> all($6::text[])'} limit 1)`

export interface ClaimOptions {
  /** Also reads, where nothing was claimed, whether tasks are due all the same. Default false. */
  readonly findsDueLeft?: boolean | undefined
  /** Starts of types with one are recorded. Default 'absent'. */
  readonly rates?: Rates | undefined
  /** Also reads the trace context of each claimed task. Default false. */
  readonly isTraced?: boolean | undefined
}

export function claimText(
  branches: readonly string[],
  limited: Limited,
  { findsDueLeft = false, rates = 'absent', isTraced = false }: ClaimOptions = {},
): string {
  const merged = branches.length > 0 ? branches.join('\n             union all ') : NO_BRANCH
  const isRated = rates !== 'absent'
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
                  ${limited === 'claimed' ? `case when ${IS_NOT_FULL} then ${CROWDED} end` : 'null'} as "crowded",
                  ${isRated ? nextPermits(rates) : 'null'} as "nextPermits",
                  case when ${IS_NOT_FULL}
                       then ${nextDueOf('unnest((select $3::text[])) as u (task_type)')} end as "nextDueAt",
                  ${findsDueLeft ? `not exists (select from claimed) and ${dueIsLeft(limited)}` : 'null'} as "isDueLeft") claim
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
