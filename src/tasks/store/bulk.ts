import { and, eq, sql } from 'drizzle-orm'
import type { BulkAction } from '../../contract/bulk.ts'
import type { TaskStatus } from '../../contract/task.ts'
import { type Database, execute, statement } from '../../db/database.ts'
import { asyncTasks } from '../schema.ts'
import { ALLOWED, STILL_STOPPING } from './operate.ts'
import { matches, type TaskFilter } from './read.ts'

/** What bulk actions look up: the tasks of a filter, and why an action is not for a task. */

/** Which statuses to look in for each action; completed tasks are retried only where they are asked for. */
const STATUSES: Record<BulkAction, readonly TaskStatus[]> = {
  cancel: ['pending', 'running'],
  retry: ['failed', 'cancelled'],
  delete: ['completed', 'failed', 'cancelled'],
}
const ALSO_WHEN_NAMED: readonly TaskStatus[] = ['completed']

/** The newest that fit and allow the action. */
export async function findActionable(
  db: Database,
  action: BulkAction,
  { status: named = [], ...filter }: TaskFilter,
  limit: number,
): Promise<string[]> {
  const statuses =
    named.length === 0
      ? STATUSES[action]
      : [...STATUSES[action], ...(action === 'retry' ? ALSO_WHEN_NAMED : [])].filter((one) =>
          named.includes(one),
        )
  if (statuses.length === 0) return []
  const t = asyncTasks
  // A status at a time: the rare ones have indexes of their own, and a walk along the newest of all tasks would pass
  // the whole history in search of a few that wait.
  const parts = statuses.map(
    (status) => sql`(select ${t.taskId}, ${t.createdAt}, ${t.id}
         from ${t}
        where ${and(eq(t.status, status), sql.raw(allowedIn(action)), ...matches(filter))}
        order by ${t.createdAt} desc, ${t.id} desc
        limit ${limit})`,
  )
  const found = await db.orm.execute<{ task_id: string }>(
    sql`select task_id from (${sql.join(parts, sql` union all `)}) as fitting order by created_at desc, id desc limit ${limit}`,
  )
  return found.rows.map((row) => row.task_id)
}

/** The condition with the table's own name, as Drizzle writes it. */
function allowedIn(action: BulkAction): string {
  return ALLOWED[action].replaceAll(/\bt\./g, 'async_tasks.')
}

const LOOK = statement(
  'bulk_look',
  `select t.task_id as "taskId", t.status, ${STILL_STOPPING} as "stillStopping"
     from async_tasks t
    where t.task_id = any($1::text[])`,
)

export interface Steerable {
  readonly taskId: string
  readonly status: TaskStatus
  /** The handler of its last attempt has not returned. */
  readonly stillStopping: boolean
}

/** Those that exist, by their ids. */
export async function findSteerable(
  db: Database,
  taskIds: readonly string[],
): Promise<Map<string, Steerable>> {
  const rows = await execute<Steerable>(db, LOOK, [taskIds])
  return new Map(rows.map((row) => [row.taskId, row]))
}
