import { type Database, query } from '../../../db/database.ts'
import { CANCEL_REQUESTS, DUTIES, EXECUTORS, SCHEDULES, TASKS } from '../../../engine/store/tables.ts'

const AHEAD = `select host, pid, extract(epoch from heartbeat_at - now())::float8 as "aheadSeconds"
     from ${EXECUTORS}
    where heartbeat_at > now() + interval '5 seconds' and stopped_at is null
    order by heartbeat_at desc
    limit 1`

export interface AheadExecutor {
  readonly host: string
  readonly pid: number
  readonly aheadSeconds: number
}

/** The heartbeat that is furthest in the future. */
export async function findHeartbeatAhead(db: Database): Promise<AheadExecutor | undefined> {
  return (await query<AheadExecutor>(db, AHEAD, []))[0]
}

// A living process whose row was deleted writes it again within a minute.
const DESERTED = `select t.task_id as "taskId"
     from ${TASKS} t
    where t.status = 'running' and t.started_at < now() - interval '1 minute'
      and not exists (select from ${EXECUTORS} e where e.executor_id = t.executor_id and e.stopped_at is null)
    order by t.id
    limit 1000`

/** Tasks that run under a process which has stopped, or has no row. */
export function findDeserted(db: Database): Promise<{ readonly taskId: string }[]> {
  return query(db, DESERTED, [])
}

const OLDEST_PROCESS = `select extract(epoch from now() - min(started_at))::float8 as seconds from ${EXECUTORS}`

/** How long ago the first of the processes started; null: there is none. */
export async function findOldestProcess(db: Database): Promise<number | null> {
  return (await query<{ seconds: number | null }>(db, OLDEST_PROCESS, []))[0]?.seconds ?? null
}

const WAITING_CANCELS = `select task_id as "taskId", extract(epoch from now() - requested_at)::float8 as seconds
     from ${CANCEL_REQUESTS}
    where requested_at < now() - interval '1 minute'
    order by requested_at
    limit 100`

export interface WaitingCancel {
  readonly taskId: string
  readonly seconds: number
}

export function findWaitingCancels(db: Database): Promise<WaitingCancel[]> {
  return query(db, WAITING_CANCELS, [])
}

const SCHEDULE_FAULTS = `select name, last_error as "lastError",
          case when next_run_at < now() - interval '5 minutes' and last_error is null
               then extract(epoch from now() - next_run_at)::float8 end as "lateSeconds"
     from ${SCHEDULES}
    where enabled and (last_error is not null or next_run_at < now() - interval '5 minutes')
    order by name
    limit 100`

export interface ScheduleFault {
  readonly name: string
  readonly lastError: string | null
  readonly lateSeconds: number | null
}

export function findScheduleFaults(db: Database): Promise<ScheduleFault[]> {
  return query(db, SCHEDULE_FAULTS, [])
}

// The oldest one may have been delayed for long, and have ended late.
const oldestOf = (status: string) => `(select coalesce(completed_at, cancelled_at) as ended
       from ${TASKS}
      where status = '${status}' and created_at >= '-infinity'
      order by created_at, id
      limit 1000)`

const PRUNING = `select extract(epoch from now() - min(ended))::float8 / 86400 as "oldestDays",
          (select extract(epoch from now() - until)::float8 / 86400 from ${DUTIES} where name = 'prune') as "prunedDays"
     from (${['completed', 'failed', 'cancelled'].map(oldestOf).join(' union all ')}) as ends`

export interface Pruning {
  /** Since the oldest task ended; null: none has. */
  readonly oldestDays: number | null
  /** Since a process pruned; null: none has. */
  readonly prunedDays: number | null
}

export async function readPruning(db: Database): Promise<Pruning> {
  return (await query<Pruning>(db, PRUNING, []))[0] ?? { oldestDays: null, prunedDays: null }
}
