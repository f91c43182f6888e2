import { type Database, execute, statement } from '../../db/database.ts'
import { LIVES } from './liveness.ts'
import { CHANGES, DUTIES, EXECUTORS, TYPES } from './tables.ts'

/**
 * Reports of changed tasks that polling misses, as those that start and end between two polls. Operators' statements
 * always report, executors and the pruner only while a process watches.
 */

const DUTY = 'watch'
/** Several requests long: a slow poll must not interrupt the reports. */
const WATCH_MS = 60_000

export const reportCte = (source: string, condition = 'true') => `reported as (
     insert into ${CHANGES} (task_ids) select array_agg(task_id) from ${source} having count(*) > 0 and ${condition}
   )`

/** Of deleted rows: a viewer of one creator cannot read them any more. Needs `created_by` in the source. */
export const reportDeletedCte = (source: string, condition = 'true') => `reported as (
     insert into ${CHANGES} (task_ids, created_by)
     select array_agg(task_id), array_agg(created_by::text) from ${source} having count(*) > 0 and ${condition}
   )`

export const IS_WATCHED = `exists (select from ${DUTIES} where name = '${DUTY}' and until > now())`

// A new holder means that changes went unreported between the end of the last request and this one.
const WATCH = statement(
  'watch',
  `insert into ${DUTIES} as d (name, holder, until)
   values ('${DUTY}', gen_random_uuid(), now() + ${WATCH_MS} * interval '1 millisecond')
   on conflict (name) do update
      set holder = case when d.until > clock_timestamp() then d.holder else excluded.holder end,
          until = excluded.until
   returning holder`,
)

/**
 * Requests reports for a minute, for all processes that watch. Returns the id of the request, a new one if it had lapsed.
 */
export async function requestReports(db: Database): Promise<string | undefined> {
  const [row] = await execute<{ holder: string }>(db, WATCH, [])
  return row?.holder
}

const REPORT = statement(
  'report_changes',
  `with watched as (select where ${IS_WATCHED}), reported as (
     insert into ${CHANGES} (task_ids) select $1::text[] from watched where cardinality($1::text[]) > 0
   )
   select exists (select from watched) as watched`,
)

/** Reports changed tasks if a process watches; returns whether one does. */
export async function reportChanges(db: Database, taskIds: readonly string[]): Promise<boolean> {
  const [row] = await execute<{ watched: boolean }>(db, REPORT, [taskIds])
  return row?.watched ?? false
}

const DELETE_OLD = statement(
  'delete_old_reports',
  `delete from ${CHANGES} where created_at < now() - interval '5 minutes'`,
)

export async function deleteOldReports(db: Database): Promise<void> {
  await execute(db, DELETE_OLD, [])
}

const FLEET = statement(
  'fleet_state',
  `select array(select task_type from ${TYPES} where paused_at is not null) as paused,
          array(select e.executor_id::text from ${EXECUTORS} e where e.stopped_at is null and not ${LIVES('e')}) as dead`,
)

export interface FleetState {
  readonly paused: readonly string[]
  readonly dead: readonly string[]
}

export async function readFleetState(db: Database): Promise<FleetState> {
  const [state] = await execute<FleetState>(db, FLEET, [])
  return state ?? { paused: [], dead: [] }
}
