import { type Database, execute, statement } from '../../db/database.ts'
import { runIn, type Transaction } from '../../db/query-runner.ts'
import type { StoredParams } from '../params.ts'
import { TASK_COLUMNS, type TaskRow } from './rows.ts'

export interface NewTask {
  readonly taskId: string
  readonly taskType: string
  readonly params: StoredParams
  readonly priority: number
  /** Null: due now, by the database's clock. */
  readonly runAt: Date | null
  readonly maxRetries: number
  readonly timeoutSeconds: number
  readonly createdBy: string | null
}

// One statement for tasks and params: one commit, and the foreign keys are checked at its end.
const INSERT = statement(
  'insert',
  `with created as (
     insert into async_tasks
            (task_id, task_type, priority, run_at, max_retries, timeout_seconds, created_by)
     select task_id, task_type, priority, coalesce(run_at, now()), max_retries, timeout_seconds, created_by
       from unnest($1::text[], $2::text[], $3::smallint[], $4::timestamptz[], $5::int[], $6::int[], $7::text[])
         as given (task_id, task_type, priority, run_at, max_retries, timeout_seconds, created_by)
     returning *
   ), params as (
     insert into async_task_params (task_id, key, value)
     select task_id, key, value
       from unnest($8::text[], $9::text[], $10::text[]) as given (task_id, key, value)
   )
   select ${TASK_COLUMNS} from created t`,
)

/** Inserts all of them or none; the rows come back by task id. */
export async function insertTasks(db: Database, tasks: readonly NewTask[]): Promise<Map<string, TaskRow>> {
  const rows = await execute<TaskRow>(db, INSERT, insertValues(tasks))
  return new Map(rows.map((row) => [row.taskId, row]))
}

/** They exist if and only if the transaction commits. */
export async function insertTasksIn(tx: Transaction, tasks: readonly NewTask[]): Promise<void> {
  await runIn(tx, INSERT.text, insertValues(tasks))
}

function insertValues(tasks: readonly NewTask[]): unknown[] {
  const params = tasks.flatMap((task) =>
    [...task.params].map(([key, value]) => ({ taskId: task.taskId, key, value })),
  )
  return [
    tasks.map((task) => task.taskId),
    tasks.map((task) => task.taskType),
    tasks.map((task) => task.priority),
    tasks.map((task) => task.runAt?.toISOString() ?? null),
    tasks.map((task) => task.maxRetries),
    tasks.map((task) => task.timeoutSeconds),
    tasks.map((task) => task.createdBy),
    params.map((param) => param.taskId),
    params.map((param) => param.key),
    params.map((param) => param.value),
  ]
}
