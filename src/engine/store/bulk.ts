import type { BulkAction } from '../../contract/bulk.ts'
import type { TaskStatus } from '../../contract/task.ts'
import { type Database, execute, query, statement } from '../../db/database.ts'
import { branchesOf, type TaskFilter, Values } from './list-branches.ts'
import { ALLOWED, STILL_STOPPING } from './operate.ts'
import { searchIds } from './read.ts'
import { TASKS } from './tables.ts'

/** What bulk actions look up: the tasks of a filter, and why an action is not for a task. */

/** Which statuses to look in for each action; completed tasks are retried only where they are asked for. */
const STATUSES: Record<BulkAction, readonly TaskStatus[]> = {
  cancel: ['pending', 'running'],
  retry: ['failed', 'cancelled'],
  delete: ['completed', 'failed', 'cancelled'],
}
const ALSO_WHEN_NAMED: readonly TaskStatus[] = ['completed']

// Whoever asks again until there are no more would ask for ever: such a task is refused each time. A limit, so that the
// key is looked up task by task and not joined.
const KEY_IS_FREE = `(select true from ${TASKS} holder
           where holder.unique_key = t.unique_key and holder.status in ('pending', 'running')
           limit 1) is null`
const CHANGEABLE: Record<BulkAction, string> = { ...ALLOWED, retry: `${ALLOWED.retry} and ${KEY_IS_FREE}` }

/** The newest that fit and allow the action; to be retried, only those whose unique key nobody else has. */
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
  const search = await searchIds(db, filter.q)
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

const LOOK = statement(
  'bulk_look',
  `select t.task_id as "taskId", t.status, ${STILL_STOPPING} as "stillStopping"
     from ${TASKS} t
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
