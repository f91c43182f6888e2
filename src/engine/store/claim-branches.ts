import { isGloballyLimited, limitsRunning, type TypeLimits } from '../definition/limits.ts'
import { HANDLER_IS_LEFT } from './fence.ts'
import { STARTS, TASKS, TYPES } from './tables.ts'

/** The branches of a claim's text, one per type; see `claim-text.ts`. */

/**
 * How many due tasks are searched for keys with a permit, before a second claim hops from key to key. A sub-select: with a
 * number, the planner expects all due tasks to fit into it while there are few, and would sort the whole backlog.
 */
export const SEARCHED = '(select 200)'

export const ORDER = 'order by priority desc, run_at, id'

/** Written as an `or`: the planner then estimates it by the share of nulls, at nearly all rows. */
export const NOT_EXPIRED = '(expires_at is null or expires_at > now())'

const typeOf = (i: number) => `(select ($3::text[])[${i}])`

const due = (i: number) => `status = 'pending' and task_type = ${typeOf(i)} and run_at <= now()
                and run_at >= (select coalesce(($5::timestamptz[])[${i}], '-infinity')) and ${NOT_EXPIRED}
                and not exists (select from ${TYPES} p
                                 where p.task_type = ($3::text[])[${i}] and p.paused_at is not null)`

// The first comparison finds the row. Many versions of PostgreSQL do not repeat it for a row that was changed since the
// snapshot, so the second one skips such a row: otherwise the claim would return its old params.
export const lockRow = (tid: string) => `
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

/** Free permits of a rate: of the type, or of one of its keys. */
const startsLeft = (i: number, key: string) => `($10::int[])[${i}] - (
                       select count(*) from ${STARTS} s
                        where s.task_type = ${typeOf(i)} and s.rate_key = ${key}
                          and ${countsFor('s', `(select ($11::float8[])[${i}])`)})`

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

/** The first task of each free key, among those searched. Tasks created without a key share the key ''. */
const keyedBranch = (i: number, limits: TypeLimits) => `(select tid, id, priority, run_at
               from (select distinct on (key) tid, id, priority, run_at
                       from (select ctid as tid, id, priority, run_at, coalesce(concurrency_key, '') as key
                               from ${TASKS} where ${due(i)} ${ORDER} limit ${SEARCHED}) due
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

/** The first tasks of each rate key, as many as it has permits, among those searched. */
function ratedBranch(i: number, limits: TypeLimits): string {
  const { column, isFree, place, isFirst } = onePerKey(i, limits)
  return `(with due as materialized (
                select ctid as tid, id, priority, run_at, coalesce(rate_key, '') as rate_key${column}
                  from ${TASKS} where ${due(i)} ${ORDER} limit ${SEARCHED}
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

/** Tasks without a key, among those searched: no index by key has them. */
const keylessDue = (
  i: number,
  key: 'rate_key' | 'concurrency_key',
  columns = '',
) => `select tid, id, priority, run_at${columns}
                from (select ctid as tid, id, priority, run_at, rate_key, concurrency_key from ${TASKS}
                       where ${due(i)} ${ORDER} limit ${SEARCHED}) front
               where coalesce(${key}, '') = ''`

/** As `keyedBranch`, but searches all tasks with a key. */
function hoppingKeyedBranch(i: number, limits: TypeLimits): string {
  return `(with recursive ${pendingKeys('concurrency_key', typeOf(i))}
              select tid, id, priority, run_at
                from (select keys.key, first.*
                        from keys
                       cross join lateral (select ctid as tid, id, priority, run_at from ${TASKS}
                               where ${due(i)} and concurrency_key = keys.key and concurrency_key <> ''
                               ${ORDER} limit 1) first
                       where keys.key is not null
                      union all
                      (select '', keyless.* from (${keylessDue(i, 'concurrency_key')}) keyless ${ORDER} limit 1)) firsts
               where key <> all (${busyKeys(i)})
               ${ORDER} limit ${freePermits(i, limits)})`
}

function hoppingRatedBranch(i: number, limits: TypeLimits): string {
  const { column, place, isFirst } = onePerKey(i, limits)
  // Before the limit: tasks of busy keys, however many, must not hide those of others.
  const isFree = limits.keyed ? `and coalesce(concurrency_key, '') <> all (${busyKeys(i)})` : ''
  const firstOf = (rows: string) => `cross join lateral (${rows}
                        ${ORDER} limit greatest(0, free.permits)) first`
  return `(with recursive ${pendingKeys('rate_key', typeOf(i))},
              free as materialized (
                select all_keys.key as rate_key, ${startsLeft(i, 'all_keys.key')} as permits
                  from (select key from keys where key is not null union all select '') all_keys
              ), due as (
                select first.*
                  from free
                 ${firstOf(`select ctid as tid, id, priority, run_at${column} from ${TASKS}
                        where ${due(i)} and rate_key = free.rate_key and rate_key <> '' ${isFree}`)}
                 where permits > 0
                union all
                select first.*
                  from free
                 ${firstOf(`${keylessDue(i, 'rate_key', column)} ${isFree}`)}
                 where free.rate_key = '' and permits > 0
              ), firsts as (
                select due.*${place} from due
              )
              select tid, id, priority, run_at from firsts
               where true ${isFirst}
               ${ORDER} limit ${freePermits(i, limits)})`
}

/** For types with more due tasks than are searched. */
export function hoppingBranch(limits: TypeLimits, i: number): string {
  if (limits.rate?.keyed) return hoppingRatedBranch(i, limits)
  return limits.keyed ? hoppingKeyedBranch(i, limits) : branch(limits, i)
}

/** A claim may pass over tasks that have all permits: others of their concurrency key came first, and had none. */
export function hasTwoKeys({ keyed, rate }: TypeLimits): boolean {
  return keyed && rate?.keyed === true
}

/** A claim searches due tasks for keys with a permit, and may not come to all of them. */
export function searchesKeys({ keyed, rate }: TypeLimits): boolean {
  return keyed || rate?.keyed === true
}

export function branch(limits: TypeLimits, i: number): string {
  if (limits.rate?.keyed) return ratedBranch(i, limits)
  if (limits.keyed) return keyedBranch(i, limits)
  if (isGloballyLimited(limits)) return globalBranch(i, limits)
  return limits.concurrency === null ? freeBranch(i) : processBranch(i)
}
