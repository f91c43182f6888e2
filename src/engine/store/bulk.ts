import type { BulkAction } from '../../contract/bulk.ts'
import type { TaskStatus } from '../../contract/task.ts'
import { type Database, execute, query, statement } from '../../db/database.ts'
import { branchesOf, type TaskFilter, Values } from './list-branches.ts'
import { ALLOWED, HOLDS_PERMIT, STILL_STOPPING } from './operate.ts'
import { searchIds } from './read.ts'
import { TASKS } from './tables.ts'

/** Retries completed tasks only where the filter names that status. */
const STATUSES: Record<BulkAction, readonly TaskStatus[]> = {
  cancel: ['pending', 'running'],
  retry: ['failed', 'cancelled'],
  delete: ['completed', 'failed', 'cancelled'],
}
const ALSO_WHEN_NAMED: readonly TaskStatus[] = ['completed']

// Leaves out tasks that every retry would refuse, so that repeated calls end. The limit makes this a probe per task.
const KEY_IS_FREE = `(select true from ${TASKS} holder
           where holder.unique_key = t.unique_key and holder.status in ('pending', 'running')
           limit 1) is null`
const CHANGEABLE: Record<BulkAction, string> = { ...ALLOWED, retry: `${ALLOWED.retry} and ${KEY_IS_FREE}` }

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
  const search = await searchIds(db, filter)
  const values = new Values()
  const order = `order by created_at desc, id desc limit ${values.add(limit)}`
  const branches = branchesOf({ ...filter, status: statuses }, values, search).map(
    (where) =>
      `(select task_id, created_at, id from ${TASKS} t where ${where} and ${CHANGEABLE[action]} ${order})`,
  )
  if (branches.length === 0) return []
  const text = `select task_id as "taskId" from (${branches.join(' union all ')}) fitting ${order}`
  return (await query<{ taskId: string }>(db, text, values.all)).map((row) => row.taskId)
}

const FIND_STEERABLE = statement(
  'bulk_look',
  `select t.task_id as "taskId", t.status, ${STILL_STOPPING} as "stillStopping", ${HOLDS_PERMIT} as "holdsPermit"
     from ${TASKS} t
    where t.task_id = any($1::text[])`,
)

export interface Steerable {
  readonly taskId: string
  readonly status: TaskStatus
  readonly stillStopping: boolean
  /** Still stopping, and it counts against a limit over all processes. */
  readonly holdsPermit: boolean
}

export async function findSteerable(
  db: Database,
  taskIds: readonly string[],
): Promise<Map<string, Steerable>> {
  const rows = await execute<Steerable>(db, FIND_STEERABLE, [taskIds])
  return new Map(rows.map((row) => [row.taskId, row]))
}
