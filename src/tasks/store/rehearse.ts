import { type Database, execute, statement } from '../../db/database.ts'

/** What only tests do to tasks. */

const FIND_OPEN = statement(
  'find_open',
  `select task_id as "taskId"
     from async_tasks
    where task_type = any($1::text[])
      and (status = 'running' or (status = 'pending' and run_at <= now()))
    order by id
    limit 100`,
)

/** Ids of tasks of these types that run or are due; at most 100. */
export async function findOpenTasks(db: Database, taskTypes: readonly string[]): Promise<string[]> {
  const rows = await execute<{ taskId: string }>(db, FIND_OPEN, [taskTypes])
  return rows.map((row) => row.taskId)
}

const FIND_OF_TYPE = statement(
  'find_of_types',
  `select task_id as "taskId" from async_tasks where task_type = any($1::text[]) order by id limit 1000`,
)

/** Ids of all tasks of these types, the oldest first; at most 1,000. */
export async function findTasksOf(db: Database, taskTypes: readonly string[]): Promise<string[]> {
  const rows = await execute<{ taskId: string }>(db, FIND_OF_TYPE, [taskTypes])
  return rows.map((row) => row.taskId)
}

const AGO = `- $1::float8 * interval '1 millisecond'`
// Heartbeats stay: moved, they would make every executor dead.
const AGE = statement(
  'age',
  `with attempts as (
     update async_task_attempts set started_at = started_at ${AGO}, ended_at = ended_at ${AGO}
   ), logs as (
     update async_task_logs set created_at = created_at ${AGO}
   )
   update async_tasks
      set run_at = run_at ${AGO}, created_at = created_at ${AGO}, started_at = started_at ${AGO},
          completed_at = completed_at ${AGO}, cancelled_at = cancelled_at ${AGO}`,
)

/** Makes every task, attempt and log line so many milliseconds older. */
export async function ageTasks(db: Database, ms: number): Promise<void> {
  await execute(db, AGE, [ms])
}
