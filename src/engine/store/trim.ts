import { type Database, execute, statement } from '../../db/database.ts'
import { ATTEMPTS, LOGS, TASKS } from './tables.ts'

const BATCH = 5_000

// The new note reuses the id of the last deleted line, so it precedes all lines that are left and followers by id have
// passed it. An earlier note is deleted with them and its count added. Only notes have data without an attempt.
const TRIM = statement(
  'trim_log',
  `with present as materialized (
     select from ${TASKS} where task_id = $1 for key share skip locked
   ), excess as materialized (
     select id
       from ${LOGS}
      where task_id = $1
        and exists (select from present)
        and id <= (select id from ${LOGS} where task_id = $1 order by id desc offset $2::int limit 1)
      order by id
      limit ${BATCH}
   ), gone as (
     delete from ${LOGS}
      where id = any(array(select id from excess))
     returning id, attempt, data, created_at
   ), removed as (
     select count(*)::int as lines, max(id) as last, max(created_at) as last_at,
            sum(case when attempt is null and data is not null
                     then coalesce((data::json ->> 'removedLines')::bigint, 1) else 1 end) as total
       from gone
   ), noted as (
     insert into ${LOGS} (id, task_id, level, message, data, created_at)
            overriding system value
     select last, $1, 'WARNING', total || ' older lines were removed',
            json_build_object('removedLines', total), last_at
       from removed
      where lines > 0
   )
   select lines from removed`,
)

export async function trimLog(db: Database, taskId: string, maxLines: number): Promise<void> {
  for (;;) {
    const [removed] = await execute<{ lines: number }>(db, TRIM, [taskId, maxLines])
    if ((removed?.lines ?? 0) < BATCH) return
  }
}

const TRIM_ATTEMPTS = statement(
  'trim_attempts',
  `with gone as (
     delete from ${ATTEMPTS}
      where task_id = $1
        and attempt = any(array(
              select attempt from ${ATTEMPTS} where task_id = $1 and attempt <= $2 order by attempt limit ${BATCH}))
     returning 1
   )
   select count(*)::int as attempts from gone`,
)

/** Deletes the attempts up to number `last`. */
export async function trimAttempts(db: Database, taskId: string, last: number): Promise<void> {
  for (;;) {
    const [removed] = await execute<{ attempts: number }>(db, TRIM_ATTEMPTS, [taskId, last])
    if ((removed?.attempts ?? 0) < BATCH) return
  }
}
