import { MAX_EXACT_TOTAL } from '../../contract/requests.ts'
import type { TaskStats } from '../../contract/stats.ts'
import { type Database, execute, statement, transact } from '../../db/database.ts'
import { instant } from '../../db/reading.ts'
import { IS_SERVING } from './fence.ts'
import { ALL_TYPES } from './figures.ts'
import { EXECUTORS, FIGURES, MINUTES, TYPES as STEERED_TYPES, TASKS } from './tables.ts'
import { ofType, TYPES, WALK } from './types-present.ts'

const MAX_TYPES = 10_000

/** One more than the bound shows that there are more. */
const countOf = (status: 'completed' | 'failed' | 'cancelled') => `(select count(*)::int
             from (select from ${TASKS} t
                    where ${ofType('known.task_type', status)}
                    order by t.created_at desc, t.id desc
                    limit ${MAX_EXACT_TOTAL} + 1) newest)`

// Every part reads an index alone: a loose index scan for the types, bounded counts for ended tasks, and small indexes
// for the rest. The orders keep the planner from a scan of the table.
const COUNTED = `with recursive ${TYPES}, waiting as (
     select task_type, count(*)::int as pending, (count(*) filter (where run_at > now()))::int as later,
            min(run_at) filter (where run_at <= now()) as oldest_due
       from ${TASKS}
      where status = 'pending'
      group by task_type
   ), under_way as (
     select task_type, count(*)::int as running from ${TASKS} where status = 'running' group by task_type
   ), known as (
     select task_type from types where task_type is not null union select task_type from under_way
   ), served as materialized (
     select distinct name as task_type
       from ${EXECUTORS} e cross join lateral unnest(e.task_types) as name
      where ${IS_SERVING('e')} and name is not null
   )
   select known.task_type as "taskType",
          case when w.oldest_due <= now() - interval '1 second' and known.task_type not in (select task_type from served)
               then 'executor' end as "waitingFor",
          exists (select from ${STEERED_TYPES} s
                   where s.task_type = known.task_type and s.paused_at is not null) as paused,
          coalesce(w.pending, 0) as pending,
          coalesce(w.later, 0) as later,
          case when w.oldest_due is not null
               then extract(epoch from now()) - extract(epoch from greatest(w.oldest_due, 'epoch'))
          end::float8 as "oldestDueSeconds",
          coalesce(u.running, 0) as running`

const FROM_KNOWN = `from known
     left join waiting w using (task_type)
     left join under_way u using (task_type)
    order by known.task_type
    limit ${MAX_TYPES}`

const COUNT_OPEN = `${COUNTED} ${FROM_KNOWN}`

const COUNT = `${COUNTED},
          ${countOf('failed')} as failed,
          ${countOf('cancelled')} as cancelled,
          ${countOf('completed')} as completed
     ${FROM_KNOWN}`

/** Tasks of a type that have not ended. */
export interface OpenCount {
  readonly taskType: string
  readonly waitingFor?: 'executor' | null
  readonly paused: boolean
  readonly pending: number
  /** Of the pending ones, those that are not due. */
  readonly later: number
  readonly oldestDueSeconds: number | null
  readonly running: number
}

export interface TypeCount extends OpenCount {
  readonly failed: number
  readonly cancelled: number
  readonly completed: number
}

/** Also of types whose tasks have all ended. */
export const countOpenByType = (db: Database) => count<OpenCount>(db, COUNT_OPEN)

export const countByType = (db: Database) => count<TypeCount>(db, COUNT)

function count<T extends OpenCount>(db: Database, text: string): Promise<T[]> {
  return transact(db, async (client) => {
    await client.query(WALK)
    return (await client.query<T>(text)).rows
  })
}

const THIS_MINUTE = `date_trunc('minute', now(), 'UTC')`

const LAST_HOUR = statement(
  'stats_last_hour',
  `select ${instant('given.minute')} as minute,
          greatest(sum(m.completed), 0)::float8 as completed,
          greatest(sum(m.failed), 0)::float8 as failed,
          greatest(sum(m.cancelled), 0)::float8 as cancelled
     from generate_series(${THIS_MINUTE} - interval '59 minutes', ${THIS_MINUTE}, interval '1 minute') as given (minute)
     left join (select minute, completed, failed, cancelled from ${MINUTES}
                union all
                select at, figures[1], figures[2], figures[3] from ${FIGURES}
                 where span_minutes = 1 and task_type = '${ALL_TYPES}') m using (minute)
    group by given.minute
    order by given.minute`,
)

export function findLastHour(db: Database): Promise<TaskStats['finishedPerMinute']> {
  return execute(db, LAST_HOUR, [])
}

// Retries are due within an hour, so they are among the first of the delayed tasks.
const RETRYING = statement(
  'stats_retrying',
  `select known.task_type as "taskType",
          (select (count(*) filter (where soon.retry_count > 0))::int
             from (select t.retry_count from ${TASKS} t
                    where t.status = 'pending' and t.task_type = known.task_type
                      and t.run_at > now() and t.run_at > t.created_at
                    order by t.run_at
                    limit ${MAX_EXACT_TOTAL}) soon) as retrying
     from unnest($1::text[]) as known (task_type)`,
)

/** Of tasks that are due later, those that have failed before. */
export async function countRetrying(
  db: Database,
  taskTypes: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  if (taskTypes.length === 0) return new Map()
  const rows = await execute<{ taskType: string; retrying: number }>(db, RETRYING, [taskTypes])
  return new Map(rows.map(({ taskType, retrying }) => [taskType, retrying]))
}
