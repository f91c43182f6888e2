import {
  arrayLiteral,
  type Database,
  execute,
  plainArray,
  type Statement,
  statement,
  transact,
} from '../../db/database.ts'
import { codeOf, DEADLOCK, LIMIT_EXCEEDED, LOCK_NOT_AVAILABLE } from '../../db/errors.ts'
import { runIn, type Transaction } from '../../db/query-runner.ts'
import type { StoredParams } from '../definition/params.ts'
import { withoutStatement } from '../definition/thrown.ts'
import { EXPIRE_HOLDERS } from './expire.ts'
import { CHANNEL } from './notify.ts'
import { DETAIL_COLUMNS, type DetailRow, parseDetailRow, pendingRow, type TaskRow } from './rows.ts'
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
  /** Not started from then on; null: no such limit. */
  readonly expiresAt: Date | null
  /** Absent unless creates are traced here: then each task of the insert has one, or null. */
  readonly traceContext?: string | null
}

export const INSERTION_PARAMETERS = 14

/** Text, because the driver of a caller's transaction may encode arrays differently. */
const column = (n: number, type: string) => `$${n}::text::${type}[]`

// Not now(): in a caller's transaction that is its start, and the task would seem due since then.
const CREATED_AT = 'statement_timestamp()'

/** `trace`: number of the parameter with the trace contexts. Without it the column is not written. */
export const insertion = (condition = '', conflict = '', trace?: number) => `created as (
     insert into ${TASKS} (task_id, task_type, priority, run_at, max_retries, timeout_seconds, created_by, concurrency_key,
                           unique_key, expires_at, created_at${trace ? ', trace_context' : ''})
     select task_id, task_type, priority,
            coalesce(run_at, ${CREATED_AT} + delay_ms * interval '1 millisecond'),
            max_retries, timeout_seconds, created_by, concurrency_key, unique_key, expires_at, ${CREATED_AT}${trace ? ', trace_context' : ''}
       from unnest(${column(1, 'text')}, ${column(2, 'text')}, ${column(3, 'smallint')}, ${column(4, 'timestamptz')},
                   ${column(5, 'float8')}, ${column(6, 'int')}, ${column(7, 'int')}, ${column(8, 'text')},
                   ${column(9, 'text')}, ${column(10, 'text')}, ${column(11, 'timestamptz')}${trace ? `, ${column(trace, 'text')}` : ''})
         as given (task_id, task_type, priority, run_at, delay_ms, max_retries, timeout_seconds, created_by,
                   concurrency_key, unique_key, expires_at${trace ? ', trace_context' : ''})
      ${condition}
      ${conflict}
     returning *
   ), params as (
     insert into ${PARAMS} (task_id, key, value)
     select task_id, key, value
       from unnest(${column(12, 'text')}, ${column(13, 'text')}, ${column(14, 'text')}) as given (task_id, key, value)
      ${condition || conflict ? 'where task_id in (select task_id from created)' : ''}
   )`

export function insertValues(tasks: readonly NewTask[]): string[] {
  const params = tasks.flatMap(({ taskId, params }) =>
    [...params].map(([key, value]) => ({ taskId, key, value })),
  )
  return [
    plainArray(tasks.map((task) => task.taskId)),
    arrayLiteral(tasks.map((task) => task.taskType)),
    plainArray(tasks.map((task) => task.priority)),
    arrayLiteral(tasks.map((task) => task.runAt?.toISOString() ?? null)),
    plainArray(tasks.map((task) => task.delayMs)),
    plainArray(tasks.map((task) => task.maxRetries)),
    plainArray(tasks.map((task) => task.timeoutSeconds)),
    arrayLiteral(tasks.map((task) => task.createdBy)),
    arrayLiteral(tasks.map((task) => task.concurrencyKey)),
    arrayLiteral(tasks.map((task) => task.uniqueKey)),
    arrayLiteral(tasks.map((task) => task.expiresAt?.toISOString() ?? null)),
    plainArray(params.map((param) => param.taskId)),
    arrayLiteral(params.map((param) => param.key)),
    arrayLiteral(params.map((param) => param.value)),
  ]
}

/** The last parameter of a traced insertion, and none of another. */
function traceValues(tasks: readonly NewTask[]): string[] {
  if (tasks[0]?.traceContext === undefined) return []
  return [arrayLiteral(tasks.map(({ traceContext = null }) => traceContext))]
}

const PAYLOAD = `$${INSERTION_PARAMETERS + 1}::text`
const LOCK_TIMEOUT = `$${INSERTION_PARAMETERS + 2}::text`
const MS = (instant: string) => `(extract(epoch from ${instant}) * 1000)::float8`

// Returns only what the database decides: returning whole rows takes as long as writing them. The notification is a
// sub-select, so that it runs once instead of per row.
const insert = (
  condition = '',
  conflict = '',
  trace?: number,
) => `with ${insertion(condition, conflict, trace)}
   select task_id as "taskId", ${MS('created_at')} as "createdAt", ${MS('run_at')} as "runAt",
          case when ${PAYLOAD} is not null then (select pg_notify('${CHANNEL}', ${PAYLOAD}))::text end as notified
     from created`

const INSERT = statement('insert', insert())
const INSERT_TRACED = statement('insert_traced', insert('', '', INSERTION_PARAMETERS + 2))

const insertUniqueText = (trace?: number) =>
  insert(
    `where ${LOCK_TIMEOUT} is null or (select set_config('lock_timeout', ${LOCK_TIMEOUT}, true)) is not null`,
    `on conflict (unique_key) where unique_key is not null and status in ('pending', 'running') do nothing`,
    trace,
  )

const INSERT_UNIQUE = statement('insert_unique', insertUniqueText())
const INSERT_UNIQUE_TRACED = statement('insert_unique_traced', insertUniqueText(INSERTION_PARAMETERS + 3))

// JSON text, because drivers and Drizzle decode instants differently.
const HOLDERS = statement(
  'key_holders',
  `select row_to_json(holder)::text as holder,
          t.status = 'pending' and coalesce(t.expires_at <= statement_timestamp(), false) as "isExpired"
     from ${TASKS} t cross join lateral (select ${DETAIL_COLUMNS}) as holder
    where t.unique_key = any(${column(1, 'text')}) and t.status in ('pending', 'running')`,
)

interface InsertedRow {
  readonly taskId: string
  readonly createdAt: number
  readonly runAt: number
}

export interface Insertion {
  readonly created: ReadonlyMap<string, TaskRow>
  readonly holders: ReadonlyMap<string, DetailRow>
}

/** Inserts tasks without unique keys, all or none. `payload` notifies, unless PostgreSQL's queue is full. */
export async function insertTasks(
  db: Database,
  tasks: readonly NewTask[],
  payload: string | null = null,
): Promise<{ created: ReadonlyMap<string, TaskRow>; notified: boolean }> {
  const traces = traceValues(tasks)
  const sent = traces.length > 0 ? INSERT_TRACED : INSERT
  const run = (notify: string | null) =>
    execute<InsertedRow>(db, sent, [...insertValues(tasks), notify, ...traces])
  const rows = payload === null ? undefined : await unlessBusy(run(payload), LIMIT_EXCEEDED)
  return { created: toRows(tasks, rows ?? (await run(null))), notified: rows !== undefined }
}

/** Opens a connection and fills its caches without inserting anything: that takes longer than a first insert. */
export async function warmUpInsert(db: Database): Promise<void> {
  await insertTasks(db, [], '')
}

/**
 * Retry tasks with neither a row nor a holder: the holder ended in between. Undefined, with nothing inserted: an open
 * transaction held a key for `waitMs`.
 */
export async function insertUnique(
  db: Database,
  tasks: readonly NewTask[],
  waitMs: number,
): Promise<Insertion | undefined> {
  const run: Run = (sent, values) => execute(db, sent, values)
  const created = await unlessBusy(
    insertFree(run, tasks, { lockTimeout: `${waitMs}ms`, payload: null }),
    DEADLOCK,
  )
  return created && { created, holders: await findHolders(run, tasks, created) }
}

/** In a caller's transaction: waits for keys as long as its settings allow. The commit notifies other processes. */
export async function insertIn(
  tx: Transaction,
  tasks: readonly NewTask[],
  payload: string | null,
): Promise<Insertion> {
  const run: Run = ({ text }, values) =>
    runIn(tx, text, values).catch((error: unknown) => {
      // Drizzle's error contains the values, and with them the params of tasks; its cause does not.
      throw withoutStatement(error)
    })
  return insertAll(run, tasks, { lockTimeout: null, payload })
}

/** The same in one transaction, until each task has a row or a holder. An error of `check` rolls it back. */
export async function insertAllUnique(
  db: Database,
  tasks: readonly NewTask[],
  waitMs: number,
  check: (insertion: Insertion) => void,
): Promise<Insertion | undefined> {
  const work = transact(db, async (client) => {
    const insertion = await insertAll((sent, values) => client.execute(sent, values), tasks, {
      lockTimeout: `${waitMs}ms`,
      payload: null,
    })
    check(insertion)
    return insertion
  })
  return unlessBusy(work, DEADLOCK)
}

export async function withdrawIn(tx: Transaction, taskIds: readonly string[]): Promise<void> {
  if (taskIds.length > 0) await runIn(tx, `delete from ${TASKS} where task_id = any($1::text[])`, [taskIds])
}

type Run = (sent: Statement, values: unknown[]) => Promise<unknown[]>

interface InsertOptions {
  readonly lockTimeout: string | null
  readonly payload: string | null
}

/** Each further round follows a holder that ended between two statements. */
async function insertAll(run: Run, tasks: readonly NewTask[], options: InsertOptions): Promise<Insertion> {
  const created = new Map<string, TaskRow>()
  const holders = new Map<string, DetailRow>()
  for (let open = tasks; open.length > 0; ) {
    for (const [taskId, row] of await insertFree(run, open, options)) created.set(taskId, row)
    for (const [key, row] of await findHolders(run, open, created)) holders.set(key, row)
    open = open.filter((task) => !isResolved(task, { created, holders }))
  }
  return { created, holders }
}

async function insertFree(
  run: Run,
  tasks: readonly NewTask[],
  { payload, lockTimeout }: InsertOptions,
): Promise<Map<string, TaskRow>> {
  // All processes lock keys in the same order, so none deadlock.
  const sorted = tasks.toSorted((a, b) => compare(a.uniqueKey ?? '', b.uniqueKey ?? ''))
  const traces = traceValues(sorted)
  const sent = traces.length > 0 ? INSERT_UNIQUE_TRACED : INSERT_UNIQUE
  const rows = await run(sent, [...insertValues(sorted), payload, lockTimeout, ...traces])
  return toRows(tasks, rows as InsertedRow[])
}

async function findHolders(
  run: Run,
  tasks: readonly NewTask[],
  created: ReadonlyMap<string, TaskRow>,
): Promise<Map<string, DetailRow>> {
  const heldKeys = tasks.flatMap(({ taskId, uniqueKey }) => (created.has(taskId) ? [] : (uniqueKey ?? [])))
  if (heldKeys.length === 0) return new Map()
  const keys = arrayLiteral([...new Set(heldKeys)])
  const rows = (await run(HOLDERS, [keys])) as { holder: string; isExpired: boolean }[]
  const holders = new Map(
    rows.map(({ holder }) => parseDetailRow(holder)).map((row) => [row.uniqueKey ?? '', row]),
  )
  if (!rows.some(({ isExpired }) => isExpired)) return holders
  // No claim starts an expired task any more: its key is free.
  const expired = (await run(EXPIRE_HOLDERS, [keys])) as { key: string }[]
  for (const { key } of expired) holders.delete(key)
  return holders
}

export function isResolved({ taskId, uniqueKey }: NewTask, { created, holders }: Insertion): boolean {
  return created.has(taskId) || (uniqueKey !== null && holders.has(uniqueKey))
}

const compare = (a: string, b: string) => (a < b ? -1 : Number(a > b))

function toRows(tasks: readonly NewTask[], rows: readonly InsertedRow[]): Map<string, TaskRow> {
  const byId = new Map(tasks.map((task) => [task.taskId, task]))
  return new Map(
    rows.flatMap(({ taskId, createdAt, runAt }) => {
      const task = byId.get(taskId)
      return task ? [[taskId, pendingRow(task, new Date(Number(createdAt)), new Date(Number(runAt)))]] : []
    }),
  )
}

/** Returns undefined, with nothing written, on a lock timeout or the other SQLSTATE. */
async function unlessBusy<T>(work: Promise<T>, other: string): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    const code = codeOf(error)
    if (code === LOCK_NOT_AVAILABLE || code === other) return undefined
    throw error
  }
}
