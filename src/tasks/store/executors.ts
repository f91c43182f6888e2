import type { ExecutorView } from '../../contract/task.ts'
import { type Database, execute, statement } from '../../db/database.ts'

/** Executors as rows: one heartbeat a process, whatever it runs. */

export interface ExecutorRow {
  readonly executorId: string
  readonly host: string
  readonly pid: number
  readonly version: string
  readonly slots: number
  readonly taskTypes: readonly string[]
  readonly leaseMs: number
}

const REGISTER = statement(
  'executor_register',
  `insert into async_task_executors (executor_id, host, pid, version, slots, task_types, lease_ms)
   values ($1, $2, $3, $4, $5, $6, $7)
   on conflict (executor_id) do update set heartbeat_at = now(), stopped_at = null`,
)

export async function registerExecutor(db: Database, row: ExecutorRow): Promise<void> {
  const { executorId, host, pid, version, slots, taskTypes, leaseMs } = row
  await execute(db, REGISTER, [executorId, host, pid, version, slots, taskTypes, leaseMs])
}

const BEAT = statement(
  'executor_beat',
  `with beat as (
     update async_task_executors set heartbeat_at = now(), stuck = $2 where executor_id = $1 returning 1
   )
   select exists (select from beat) as known,
          array(select held.task_id
                  from unnest($3::text[], $4::int[]) as held (task_id, attempt)
                  left join async_tasks t on t.task_id = held.task_id
                 where (t.status = 'running' and t.attempt = held.attempt and t.executor_id = $1) is not true
                   and t.status is distinct from 'cancelled') as lost,
          array(select held.task_id
                  from unnest($3::text[], $4::int[]) as held (task_id, attempt)
                  join async_tasks t on t.task_id = held.task_id
                 where t.status = 'cancelled') as cancelled`,
)

export interface BeatAnswer {
  /** False: somebody removed the row; register again. */
  readonly known: boolean
  /** Held runs that are no longer this executor's. */
  readonly lost: string[]
  /** Held runs that were cancelled. */
  readonly cancelled: string[]
}

export async function beat(
  db: Database,
  executorId: string,
  held: readonly { taskId: string; attempt: number }[],
  stuck: readonly string[],
): Promise<BeatAnswer> {
  const [answer] = await execute<BeatAnswer>(db, BEAT, [
    executorId,
    stuck,
    held.map((run) => run.taskId),
    held.map((run) => run.attempt),
  ])
  return answer ?? { known: false, lost: [], cancelled: [] }
}

const STOP = statement(
  'executor_stop',
  `update async_task_executors set stopped_at = now(), heartbeat_at = now(), stuck = '{}' where executor_id = $1`,
)

/** The row stays: its types count as registered for one more lease, so that a restart fails nothing. */
export async function stopExecutor(db: Database, executorId: string): Promise<void> {
  await execute(db, STOP, [executorId])
}

const FORGET = statement(
  'executor_forget',
  `delete from async_task_executors e
    where e.heartbeat_at < now() - interval '1 day'
      and not exists (select from async_tasks t where t.executor_id = e.executor_id and t.status = 'running')`,
)

/** Removes the rows of executors that have been gone for a day and left nothing running. */
export async function forgetExecutors(db: Database): Promise<void> {
  await execute(db, FORGET, [])
}

// In batches, so that a backlog of a removed type never holds locks for long.
const FAIL_UNKNOWN = statement(
  'fail_unknown_types',
  `with ended as (
     update async_tasks t
        set status = 'failed', completed_at = now(),
            error_message = 'UNKNOWN_TASK_TYPE: no executor has registered ''' || t.task_type || ''''
      where t.id = any(array(
              select p.id
                from async_tasks p
               where p.status = 'pending'
                 and p.run_at <= now() - $1::float8 * interval '1 millisecond'
                 and not exists (
                       select from async_task_executors e
                        where p.task_type = any(e.task_types)
                          and e.heartbeat_at > now() - e.lease_ms * interval '1 millisecond')
               order by p.priority desc, p.run_at, p.id
               limit 500
                 for update skip locked))
     returning t.task_id, t.task_type, t.error_message
   ), logged as (
     insert into async_task_logs (task_id, level, message) select task_id, 'ERROR', error_message from ended
   )
   select task_id as "taskId", task_type as "taskType" from ended`,
)

/** Fails tasks that have been due for a lease while no living executor knew their type. */
export function failUnknownTypes(
  db: Database,
  leaseMs: number,
): Promise<{ taskId: string; taskType: string }[]> {
  return execute(db, FAIL_UNKNOWN, [leaseMs])
}

const LIST = statement(
  'executor_list',
  `select e.executor_id as id, e.host, e.pid, e.version, e.slots, e.task_types as "taskTypes",
          e.started_at as "startedAt", e.stuck,
          greatest(0, extract(epoch from now() - e.heartbeat_at) * 1000)::int as "heartbeatAgeMs",
          e.heartbeat_at > now() - e.lease_ms * interval '1 millisecond' as alive,
          array(select t.task_id from async_tasks t
                 where t.executor_id = e.executor_id and t.status = 'running'
                 order by t.id limit 1000) as "runningTasks"
     from async_task_executors e
    where e.stopped_at is null
    order by e.started_at, e.executor_id
    limit 1000`,
)

/** Executors that have not stopped cleanly: living ones, and dead ones of the last day. */
export function listExecutors(db: Database): Promise<ExecutorView[]> {
  return execute<ExecutorView>(db, LIST, [])
}
