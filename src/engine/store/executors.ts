import type { ExecutorView } from '../../contract/task.ts'
import { type Database, execute, statement } from '../../db/database.ts'
import { codeOf, LIMIT_EXCEEDED } from '../../db/errors.ts'
import { instant } from '../../db/reading.ts'
import { EXPIRED_EXIST } from './expire.ts'
import { IS_SERVING } from './fence.ts'
import { LIVES } from './liveness.ts'
import { CHANNEL } from './notify.ts'
import { isOrphanedStop, RESCUABLE_EXIST } from './rescue.ts'
import { CANCEL_REQUESTS, EXECUTORS, TASKS } from './tables.ts'

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
  `insert into ${EXECUTORS} (executor_id, host, pid, version, slots, task_types, lease_ms)
   values ($1, $2, $3, $4, $5, $6, $7)
   on conflict (executor_id) do update set heartbeat_at = now(), stopped_at = null`,
)

export async function registerExecutor(db: Database, row: ExecutorRow): Promise<void> {
  const { executorId, host, pid, version, slots, taskTypes, leaseMs } = row
  await execute(db, REGISTER, [executorId, host, pid, version, slots, taskTypes, leaseMs])
}

// $5: probe for orphaned claims; $6: probe for tasks of dead executors. A probe that is off costs nothing. $7: notifies.
const BEAT = statement(
  'executor_beat',
  `with beat as (
     update ${EXECUTORS} set heartbeat_at = now(), stuck = $2 where executor_id = $1 returning 1
   )
   select exists (select from beat) as known,
          array(select held.task_id || ' ' || held.attempt
                  from unnest($3::text[], $4::int[]) as held (task_id, attempt)
                  left join ${TASKS} t on t.task_id = held.task_id
                 where (t.status in ('running', 'completed') and t.attempt = held.attempt and t.executor_id = $1) is not true
                   and (t.status = 'cancelled' and t.attempt = held.attempt) is not true) as lost,
          array(select held.task_id || ' ' || held.attempt
                  from unnest($3::text[], $4::int[]) as held (task_id, attempt)
                  join ${TASKS} t on t.task_id = held.task_id
                 where t.attempt = held.attempt
                   and (t.status = 'cancelled' or (t.status = 'running' and exists (
                          select from ${CANCEL_REQUESTS} r where r.task_id = t.task_id)))) as cancelled,
          $5::boolean and (exists (select from ${TASKS} t
                   where t.status = 'running' and t.executor_id = $1
                     and (t.task_id, t.attempt) not in (select * from unnest($3::text[], $4::int[])))
              or (select true from ${TASKS} t where ${isOrphanedStop('$3', '$4')} limit 1) is not null) as "orphanedClaims",
          $6::boolean and ${RESCUABLE_EXIST} as rescuable,
          fleet.size as "fleetSize", fleet.position as "fleetPosition",
          exists (select from ${CANCEL_REQUESTS}) as "cancelRequests",
          ${EXPIRED_EXIST} as expired,
          pg_relation_size('${TASKS}')::float8 as "tableBytes",
          extract(epoch from now())::float8 * 1000 as at,
          case when $7::text is not null then (select pg_notify('${CHANNEL}', $7::text))::text end as notified,
          (select extract(epoch from max(heartbeat_at))::float8 * 1000
             from ${EXECUTORS} where isfinite(heartbeat_at)) as latest
     from (select count(*)::int as size, (count(*) filter (where e.executor_id < $1))::int as position
             from ${EXECUTORS} e
            where ${IS_SERVING('e')}
              and e.task_types = (select own.task_types from ${EXECUTORS} own where own.executor_id = $1)) fleet`,
)

export interface BeatResult {
  readonly known: boolean
  /** Held runs, by their keys, that are no longer this executor's. */
  readonly lost: string[]
  /** Held runs, by their keys, that were cancelled or have a cancel request. */
  readonly cancelled: string[]
  /**
   * Rows run under this executor that it does not hold, or were cancelled and hold a permit: their claim is in flight, or
   * its response was lost.
   */
  readonly orphanedClaims: boolean
  readonly rescuable: boolean
  readonly fleetSize: number
  readonly fleetPosition: number
  readonly cancelRequests: boolean
  readonly expired: boolean
  readonly tableBytes: number
  readonly at: number
  /** The latest earlier heartbeat of any executor; null: none. */
  readonly latest: number | null
}

export interface BeatProbes {
  readonly orphanedClaims: boolean
  readonly rescuable: boolean
}

/** @param payload notifies all listeners, this process's own among them, unless PostgreSQL's queue is full */
export async function beat(
  db: Database,
  executorId: string,
  held: readonly { taskId: string; attempt: number }[],
  stuck: readonly string[],
  probes: BeatProbes,
  payload: string | null = null,
): Promise<BeatResult> {
  const values = [
    ...[executorId, stuck, held.map((run) => run.taskId), held.map((run) => run.attempt)],
    ...[probes.orphanedClaims, probes.rescuable],
  ]
  const send = (notify: string | null) => execute<BeatResult>(db, BEAT, [...values, notify])
  const [result] = await send(payload).catch((error: unknown) => {
    if (payload === null || codeOf(error) !== LIMIT_EXCEEDED) throw error
    return send(null)
  })
  if (!result) throw new Error('a heartbeat returned no row')
  return result
}

const STOP = statement(
  'executor_stop',
  `update ${EXECUTORS} set stopped_at = now(), heartbeat_at = now(), stuck = '{}' where executor_id = $1`,
)

/** Keeps the row: the grace of tasks of its types counts from its last heartbeat. */
export async function stopExecutor(db: Database, executorId: string): Promise<void> {
  await execute(db, STOP, [executorId])
}

const FORGET = statement(
  'executor_forget',
  `delete from ${EXECUTORS} e
    where e.heartbeat_at < now() - greatest(interval '1 day', $1::float8 * interval '1 second')
      and not exists (select from ${TASKS} t where t.executor_id = e.executor_id and t.status = 'running')`,
)

/** Deletes rows of executors that run nothing and have been gone for a day, or for the grace of unknown types. */
export async function forgetExecutors(db: Database, unknownTypeGraceSeconds: number): Promise<void> {
  await execute(db, FORGET, [unknownTypeGraceSeconds])
}

// A dead executor's row stays while a task runs under it; an int would overflow after 24 days.
const LIST = statement(
  'executor_list',
  `select e.executor_id as id, e.host, e.pid, e.version, e.slots,
          array(select name from unnest(e.task_types) as name where name is not null) as "taskTypes",
          ${instant('e.started_at')} as "startedAt",
          array(select task_id from unnest(e.stuck) as task_id where task_id is not null) as stuck,
          least(greatest(0, floor((extract(epoch from now()) - extract(epoch from e.heartbeat_at)) * 1000)),
                ${Number.MAX_SAFE_INTEGER})::float8 as "heartbeatAgeMs",
          e.lease_ms as "leaseMs",
          ${LIVES('e')} as alive,
          array(select t.task_id from ${TASKS} t
                 where t.executor_id = e.executor_id and t.status = 'running'
                 order by t.id limit 1000) as "runningTasks"
     from ${EXECUTORS} e
    where e.stopped_at is null
    order by e.started_at, e.executor_id
    limit 1000`,
)

export interface ListedExecutor extends ExecutorView {
  /** Its own: processes may differ. */
  readonly leaseMs: number
}

export function listExecutors(db: Database): Promise<ListedExecutor[]> {
  return execute<ListedExecutor>(db, LIST, [])
}
