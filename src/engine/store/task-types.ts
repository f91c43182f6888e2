import { type Database, execute, query, statement } from '../../db/database.ts'
import { runIn, type Transaction } from '../../db/query-runner.ts'
import type { AuditedChange } from '../definition/actor.ts'
import { auditCte, changeValue } from './audit.ts'
import { IS_SERVING, WAITS_BRIEFLY } from './fence.ts'
import { EXECUTORS, TASKS, TYPES } from './tables.ts'

// Also where nothing changes.
const AUDITED = auditCte('(select $1::text as task_type) as type', 'type.task_type', 2)

const PAUSE = statement(
  'pause_type',
  `with ${AUDITED}
   insert into ${TYPES} (task_type, paused_at) select $1, now() where ${WAITS_BRIEFLY}
   on conflict (task_type) do update set paused_at = coalesce(${TYPES}.paused_at, now())`,
)

// A claim in flight at the pause's commit had locked these tables before its snapshot; later claims see the pause.
// Other readers, such as a dump, do not count.
const CLAIMS_IN_FLIGHT = statement(
  'claims_under_way',
  `select reading.virtualtransaction as id
     from pg_locks reading
     join pg_locks writing using (virtualtransaction)
    where reading.locktype = 'relation' and reading.relation = '${TYPES}'::regclass
      and writing.locktype = 'relation' and writing.relation = '${TASKS}'::regclass
      and writing.mode = 'RowExclusiveLock'
      and reading.database = (select oid from pg_database where datname = current_database())
      and writing.database = reading.database
      and reading.pid <> pg_backend_pid()`,
)

/** Once it returns, only the claims that `findClaimsInFlight` then finds may still take a task of the type. */
export async function pauseType(db: Database, taskType: string, change?: AuditedChange): Promise<void> {
  await execute(db, PAUSE, [taskType, changeValue(change)])
}

export async function findClaimsInFlight(db: Database): Promise<Set<string>> {
  const rows = await execute<{ id: string }>(db, CLAIMS_IN_FLIGHT, [])
  return new Set(rows.map(({ id }) => id))
}

const RESUME = statement(
  'resume_type',
  `with ${AUDITED}
   update ${TYPES} set paused_at = null where task_type = $1 and paused_at is not null and ${WAITS_BRIEFLY}`,
)

export async function resumeType(db: Database, taskType: string, change?: AuditedChange): Promise<void> {
  await execute(db, RESUME, [taskType, changeValue(change)])
}

const PAUSED = statement(
  'paused_types',
  `select task_type as "taskType" from ${TYPES} where paused_at is not null`,
)

export async function findPausedTypes(db: Database): Promise<Set<string>> {
  const rows = await execute<{ taskType: string }>(db, PAUSED, [])
  return new Set(rows.map(({ taskType }) => taskType))
}

const WITHOUT_EXECUTOR = statement(
  'types_without_executor',
  `select u.task_type as "taskType"
     from unnest($1::text[]) as u (task_type)
    where u.task_type not in (
          select name from ${EXECUTORS} e cross join lateral unnest(e.task_types) as name
           where ${IS_SERVING('e')} and name is not null)
      and (select true from ${TASKS}
            where status = 'pending' and task_type = u.task_type and run_at <= now() - interval '1 second'
            order by priority desc, run_at, id limit 1)`,
)

export async function findTypesWithoutExecutor(
  db: Database,
  taskTypes: readonly string[],
): Promise<Set<string>> {
  const rows = await execute<{ taskType: string }>(db, WITHOUT_EXECUTOR, [taskTypes])
  return new Set(rows.map(({ taskType }) => taskType))
}

const IS_KNOWN = statement(
  'type_is_known',
  `select exists (select from ${EXECUTORS} where $1 = any(task_types))
       or exists (select from ${TYPES} where task_type = $1) as known`,
)

/** An executor has registered the type, or it was paused or limited once. */
export async function isKnownType(db: Database, taskType: string): Promise<boolean> {
  const [row] = await execute<{ known: boolean }>(db, IS_KNOWN, [taskType])
  return row?.known ?? false
}

const IN_USE = `select distinct name
     from ${EXECUTORS} e, unnest(e.task_types) as name
    where name = any($1::text[]) and e.heartbeat_at > now() - interval '1 day'`

/** Finds types that an executor of the last day has registered, as seen by the transaction. */
export async function findTypesInUse(
  db: Database,
  taskTypes: readonly string[],
  tx?: Transaction,
): Promise<string[]> {
  const rows = tx
    ? await runIn({ tx, schema: db.schema }, IN_USE, [taskTypes])
    : await query(db, IN_USE, [taskTypes])
  return (rows as { name: string }[]).map(({ name }) => name)
}
