import { type Database, execute, statement } from '../../db/database.ts'
import { NOT_EXPIRED, ORDER } from './claim-branches.ts'
import { TASKS, TYPES } from './tables.ts'

const WAITS_SINCE_BEFORE = statement(
  'waits_since_before',
  `select exists (
     select from unnest($1::text[], $2::timestamptz[]) as u (task_type, instant)
      where (select true from ${TASKS}
              where status = 'pending' and task_type = u.task_type and run_at < u.instant and ${NOT_EXPIRED}
              ${ORDER} limit 1)
        and not exists (select from ${TYPES} p
                         where p.task_type = u.task_type and p.paused_at is not null)) as waits`,
)

/** Returns whether any type has a task due before its instant, which bounded claims leave out. Locks nothing. */
export async function waitsSinceBefore(
  db: Database,
  since: readonly { taskType: string; since: string }[],
): Promise<boolean> {
  const values = [since.map((type) => type.taskType), since.map((type) => type.since)]
  const [row] = await execute<{ waits: boolean }>(db, WAITS_SINCE_BEFORE, values)
  return row?.waits ?? false
}
