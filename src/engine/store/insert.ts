import { type Database, execute, plainArray, statement, transact } from '../../db/database.ts'
import { codeOf, DEADLOCK, LIMIT_EXCEEDED, LOCK_NOT_AVAILABLE } from '../../db/errors.ts'
import { runIn, type Transaction } from '../../db/query-runner.ts'
import type { StoredParams } from '../definition/params.ts'
import { withoutStatement } from '../definition/thrown.ts'
import { CHANNEL } from './notify.ts'
import { DETAIL_COLUMNS, type DetailRow, TASK_COLUMNS, type TaskRow } from './rows.ts'
import { PARAMS, TASKS } from './tables.ts'

export interface NewTask {
  readonly taskId: string
  readonly taskType: string
  readonly params: StoredParams
  readonly priority: number
  /** Null: due `delayMs` from now, by the database's clock. */
  readonly runAt: Date | null
  readonly delayMs: number
  readonly maxRetries: number
  readonly timeoutSeconds: number
  readonly createdBy: string | null
  readonly uniqueKey: string | null
  readonly onDuplicate: 'return' | 'reject'
  readonly concurrencyKey: string | null
}

// Not now(): in a transaction of the caller's that is its start. A task would look as if it had been due since.
const COLUMNS = `task_id, task_type, priority, run_at, max_retries, timeout_seconds, created_by,
            concurrency_key, created_at`
const VALUES = `task_id, task_type, priority,
            coalesce(run_at, statement_timestamp() + delay_ms * interval '1 millisecond'),
            max_retries, timeout_seconds, created_by, concurrency_key, statement_timestamp()`

/**
 * The CTEs `created` and `params`, whose values are `insertValues`, for a statement that may have parameters of its own
 * after them. `condition`, a where clause, decides whether there will be any task at all. One statement for tasks and
 * params: one commit, and the foreign keys are checked at its end.
 */
export const insertion = (condition = '') => `created as (
     insert into ${TASKS} (${COLUMNS})
     select ${VALUES}
       from unnest($1::text[], $2::text[], $3::smallint[], $4::timestamptz[], $5::float8[], $6::int[], $7::int[],
                   $8::text[], $9::text[])
         as given (task_id, task_type, priority, run_at, delay_ms, max_retries, timeout_seconds, created_by,
                   concurrency_key)
      ${condition}
     returning *
   ), params as (
     insert into ${PARAMS} (task_id, key, value)
     select task_id, key, value
       from unnest($10::text[], $11::text[], $12::text[]) as given (task_id, key, value)
      ${condition}
   )`

/** How many parameters that takes. */
export const INSERTION_PARAMETERS = 12

// Only what the database decides, and as numbers: to read a thousand rows of all columns takes as long as to write them.
const MS = (instant: string) => `(extract(epoch from ${instant}) * 1000)::float8`
const insert = (notified: string) => `with ${insertion()}
   select task_id as "taskId", ${MS('created_at')} as "createdAt", ${MS('run_at')} as "runAt"${notified} from created`
const INSERT = statement('insert', insert(''))
// A sub-select, which runs once and not for each row.
const INSERT_AND_NOTIFY = statement(
  'insert_and_notify',
  insert(`, (select pg_notify('${CHANNEL}', $${INSERTION_PARAMETERS + 1}::text))::text as notified`),
)

interface InsertedRow {
  readonly taskId: string
  readonly createdAt: number
  readonly runAt: number
}

/**
 * Inserts tasks without a unique key: all of them or none. With `payload` the commit notifies other processes, where
 * PostgreSQL has room for another notification.
 */
export async function insertTasks(
  db: Database,
  tasks: readonly NewTask[],
  payload: string | null = null,
): Promise<{ created: Map<string, TaskRow>; notified: boolean }> {
  const values = insertValues(tasks)
  const rows =
    payload === null
      ? undefined
      : await unlessCrowded(execute<InsertedRow>(db, INSERT_AND_NOTIFY, [...values, payload]))
  const created = toRows(tasks, rows ?? (await execute<InsertedRow>(db, INSERT, values)))
  return { created, notified: rows !== undefined }
}

/** Inserts nothing: opens a connection and fills its caches, which takes longer than the first task's insert itself. */
export async function warmUpInsert(db: Database): Promise<void> {
  await execute(db, INSERT_AND_NOTIFY, [...insertValues([]), ''])
}

/** Undefined where the queue of notifications is full, or its lock is not granted in time: nothing was inserted. */
async function unlessCrowded<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    const code = codeOf(error)
    if (code === LIMIT_EXCEEDED || code === LOCK_NOT_AVAILABLE) return undefined
    throw error
  }
}

function toRows(tasks: readonly NewTask[], rows: readonly InsertedRow[]): Map<string, TaskRow> {
  const byId = new Map(rows.map((row) => [row.taskId, row]))
  return new Map(
    tasks.map((task) => {
      const row = byId.get(task.taskId)
      if (!row) throw new Error(`the insert did not answer ${task.taskId}`)
      return [task.taskId, toPendingRow(task, new Date(row.createdAt), new Date(row.runAt))]
    }),
  )
}

/** A row as it is inserted. */
function toPendingRow(task: NewTask, createdAt: Date, runAt: Date): TaskRow {
  const { taskId, taskType, maxRetries, timeoutSeconds, createdBy, priority, uniqueKey, concurrencyKey } =
    task
  return {
    taskId,
    taskType,
    status: 'pending',
    progress: 0,
    total: 0,
    step: null,
    createdAt,
    startedAt: null,
    completedAt: null,
    runAt,
    retryCount: 0,
    maxRetries,
    error: null,
    result: null,
    createdBy,
    cancelledAt: null,
    timeoutSeconds,
    priority,
    executorId: null,
    attempt: 0,
    uniqueKey,
    concurrencyKey,
    stopping: false,
  }
}

export function insertValues(tasks: readonly NewTask[]): unknown[] {
  const params = paramsOf(tasks)
  return [
    plainArray(tasks.map((task) => task.taskId)),
    tasks.map((task) => task.taskType),
    plainArray(tasks.map((task) => task.priority)),
    tasks.map((task) => task.runAt?.toISOString() ?? null),
    plainArray(tasks.map((task) => task.delayMs)),
    plainArray(tasks.map((task) => task.maxRetries)),
    plainArray(tasks.map((task) => task.timeoutSeconds)),
    tasks.map((task) => task.createdBy),
    tasks.map((task) => task.concurrencyKey),
    plainArray(params.map((param) => param.task_id)),
    params.map((param) => param.key),
    params.map((param) => param.value),
  ]
}

// An insert that meets a key in the index waits until the transaction that put it there has ended, at most $3. Keys
// are taken in their order, so that no two statements wait for each other. Beside the rows it made it answers the
// unfinished tasks that have the keys: a key with neither was free, or taken, only after the statement had begun.
const INSERT_UNIQUE = statement(
  'insert_unique',
  `with given as materialized (
     select *
       from json_to_recordset($1::text::json)
         as given (position int, task_id text, task_type text, priority smallint, run_at timestamptz, delay_ms float8,
                   max_retries int, timeout_seconds int, created_by text, concurrency_key text, unique_key text)
   ), created as (
     insert into ${TASKS} (${COLUMNS}, unique_key)
     select ${VALUES}, unique_key
       from given
      where $3::text is null or (select set_config('lock_timeout', $3::text, true)) is not null
      order by unique_key nulls first, position
     on conflict (unique_key) where unique_key is not null and status in ('pending', 'running') do nothing
     returning *
   ), params as (
     insert into ${PARAMS} (task_id, key, value)
     select p.task_id, p.key, p.value
       from json_to_recordset($2::text::json) as p (task_id text, key text, value text)
      where p.task_id in (select task_id from created)
   )
   select row_to_json(answer)::text as answer
     from (select ${TASK_COLUMNS}, null::json as params, null::json as attempts, true as created,
                  case when $4::text is not null then (select pg_notify('${CHANNEL}', $4::text))::text end as notified
             from created t
           union all
           select ${DETAIL_COLUMNS}, false, null
             from ${TASKS} t
            where t.unique_key = any(array(select unique_key from given))
              and t.status in ('pending', 'running')) as answer`,
)

/** JSON text: what an instant comes back as is for each driver, and for Drizzle, another matter. */
interface AnswerRow {
  readonly answer: string
}

interface Answer extends DetailRow {
  readonly created: boolean
  readonly notified: string | null
}

const INSTANTS = ['createdAt', 'startedAt', 'completedAt', 'runAt', 'cancelledAt']

function parseAnswer(text: string): Answer {
  const row = JSON.parse(text) as Record<string, unknown>
  for (const key of INSTANTS) if (row[key] !== null) row[key] = new Date(row[key] as string)
  // Its shape is what the statement's own select list says.
  return row as unknown as Answer
}

/** What became of new tasks: the rows of those that were made, by task id, and who has the keys of the others. */
export interface Insertion {
  readonly created: ReadonlyMap<string, TaskRow>
  readonly holders: ReadonlyMap<string, DetailRow>
}

/**
 * Inserts tasks whose unique keys are free. A task with neither a row nor a holder in the answer must be tried again:
 * the holder of its key came, or ended, while the statement ran. Undefined when a key's holder has not been committed
 * within `waitMs`: then nothing was inserted.
 */
export async function insertUnique(
  db: Database,
  tasks: readonly NewTask[],
  waitMs: number,
): Promise<Insertion | undefined> {
  const values = uniqueValues(tasks, { lockTimeout: `${waitMs}ms`, payload: null })
  return orTimedOut(execute<AnswerRow>(db, INSERT_UNIQUE, values).then(toInsertion))
}

/** In a transaction of the caller's: waits for keys as long as its settings let it. The commit notifies other processes. */
export async function insertIn(
  tx: Transaction,
  tasks: readonly NewTask[],
  payload: string | null,
): Promise<Insertion> {
  const created = new Map<string, TaskRow>()
  const holders = new Map<string, DetailRow>()
  for (let open = tasks; open.length > 0; ) {
    const values = uniqueValues(open, { lockTimeout: null, payload })
    // Of Drizzle's error only the cause: it would tell the params of the tasks.
    const rows = await runIn(tx, INSERT_UNIQUE.text, values).catch((error: unknown) => {
      throw withoutStatement(error)
    })
    const answer = toInsertion(rows)
    for (const [taskId, row] of answer.created) created.set(taskId, row)
    for (const [key, row] of answer.holders) holders.set(key, row)
    open = open.filter((task) => !isSettled(task, answer))
  }
  return { created, holders }
}

/**
 * All of them or none, in a transaction of their own, which `check` may still refuse by throwing. Undefined when a
 * key's holder has not been committed within `waitMs`.
 */
export async function insertAllUnique(
  db: Database,
  tasks: readonly NewTask[],
  waitMs: number,
  check: (insertion: Insertion) => void,
): Promise<Insertion | undefined> {
  return orTimedOut(
    transact(db, async (client) => {
      await client.query(`select set_config('lock_timeout', $1, true)`, [`${waitMs}ms`])
      const insertion = await insertIn(client, tasks, null)
      check(insertion)
      return insertion
    }),
  )
}

/** Takes back, in the transaction that made them, tasks that nobody has seen yet. */
export async function withdrawIn(tx: Transaction, taskIds: readonly string[]): Promise<void> {
  if (taskIds.length > 0) await runIn(tx, `delete from ${TASKS} where task_id = any($1::text[])`, [taskIds])
}

/** It has a row, or somebody has its key: perhaps another task of the same statement. */
export function isSettled({ taskId, uniqueKey }: NewTask, { created, holders }: Insertion): boolean {
  if (created.has(taskId)) return true
  if (uniqueKey === null) return false
  return holders.has(uniqueKey) || [...created.values()].some((row) => row.uniqueKey === uniqueKey)
}

function toInsertion(rows: readonly unknown[]): Insertion {
  const created = new Map<string, TaskRow>()
  const holders = new Map<string, DetailRow>()
  for (const { answer } of rows as readonly AnswerRow[]) {
    const { created: isNew, notified: _notified, ...row } = parseAnswer(answer)
    if (isNew) {
      const { params: _params, attempts: _attempts, ...columns } = row
      created.set(row.taskId, columns)
    } else if (row.uniqueKey !== null) holders.set(row.uniqueKey, row)
  }
  // Who had a key when the statement began may have ended while it waited.
  for (const { uniqueKey } of created.values()) if (uniqueKey !== null) holders.delete(uniqueKey)
  return { created, holders }
}

/** Undefined where another transaction kept a key for too long, or was waiting for ours. */
async function orTimedOut<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    const code = codeOf(error)
    if (code === LOCK_NOT_AVAILABLE || code === DEADLOCK) return undefined
    throw error
  }
}

/** Lists as JSON text: whatever driver is behind `query(text, values)` sends text as it is. */
function uniqueValues(
  tasks: readonly NewTask[],
  options: { lockTimeout: string | null; payload: string | null },
): unknown[] {
  const given = tasks.map((task, position) => ({
    position,
    task_id: task.taskId,
    task_type: task.taskType,
    priority: task.priority,
    run_at: task.runAt?.toISOString() ?? null,
    delay_ms: task.delayMs,
    max_retries: task.maxRetries,
    timeout_seconds: task.timeoutSeconds,
    created_by: task.createdBy,
    concurrency_key: task.concurrencyKey,
    unique_key: task.uniqueKey,
  }))
  return [JSON.stringify(given), JSON.stringify(paramsOf(tasks)), options.lockTimeout, options.payload]
}

function paramsOf(tasks: readonly NewTask[]) {
  return tasks.flatMap(({ taskId, params }) =>
    [...params].map(([key, value]) => ({ task_id: taskId, key, value })),
  )
}
