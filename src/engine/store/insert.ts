import {
  arrayLiteral,
  type Database,
  execute,
  plainArray,
  type Statement,
  statement,
  transact,
} from '../../db/database.ts'
import { codeOf, LIMIT_EXCEEDED, LOCK_NOT_AVAILABLE } from '../../db/errors.ts'
import type { AuditedChange } from '../definition/actor.ts'
import type { StoredParams } from '../definition/params.ts'
import { auditCte, createValue } from './audit.ts'
import { CHANNEL } from './notify.ts'
import type { TaskTimes } from './rows.ts'
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
  readonly onDuplicate: 'return' | 'reject' | 'replace'
  /** How long after the creation of the task with its key a replacement may be due; null: any time. */
  readonly maxDelayMs: number | null
  readonly concurrencyKey: string | null
  readonly rateKey: string | null
  /** Not started from then on; null: no such limit. */
  readonly expiresAt: Date | null
  /** Absent unless creates are traced here: then each task of the insert has one, or null. */
  readonly traceContext?: string | null
  /** Absent: nobody is named, and its create leaves no entry in the audit. */
  readonly audit?: AuditedChange | undefined
}

export const INSERTION_PARAMETERS = 15

/** Text, because the driver of a caller's transaction may encode arrays differently. */
export const column = (n: number, type: string) => `$${n}::text::${type}[]`

export interface InsertionText {
  /** Whether all tasks are created, or none: then one row says so, otherwise one for each that is. Default false. */
  readonly isWhole?: boolean
  /** SQL; default: none. */
  readonly condition?: string
  /** SQL; default: none. */
  readonly conflict?: string
  /**
   * SQL. Default: the start of the statement. That of a caller's transaction may be long ago, and the task would seem due
   * since then.
   */
  readonly createdAt?: string
}

/** `trace`: number of the parameter with the trace contexts. Without it the column is not written. */
export const insertion = (
  { condition = '', conflict = '', createdAt = 'statement_timestamp()' }: InsertionText,
  trace?: number,
) => `created as (
     insert into ${TASKS} (task_id, task_type, priority, run_at, max_retries, timeout_seconds, created_by, concurrency_key,
                           unique_key, expires_at, rate_key, created_at${trace ? ', trace_context' : ''})
     select task_id, task_type, priority,
            coalesce(run_at, ${createdAt} + delay_ms * interval '1 millisecond'),
            max_retries, timeout_seconds, created_by, concurrency_key, unique_key, expires_at, rate_key,
            ${createdAt}${trace ? ', trace_context' : ''}
       from unnest(${column(1, 'text')}, ${column(2, 'text')}, ${column(3, 'smallint')}, ${column(4, 'timestamptz')},
                   ${column(5, 'float8')}, ${column(6, 'int')}, ${column(7, 'int')}, ${column(8, 'text')},
                   ${column(9, 'text')}, ${column(10, 'text')}, ${column(11, 'timestamptz')}, ${column(12, 'text')}${trace ? `, ${column(trace, 'text')}` : ''})
         as given (task_id, task_type, priority, run_at, delay_ms, max_retries, timeout_seconds, created_by,
                   concurrency_key, unique_key, expires_at, rate_key${trace ? ', trace_context' : ''})
      ${condition}
      ${conflict}
     returning *
   ), params as (
     insert into ${PARAMS} (task_id, key, value)
     select task_id, key, value
       from unnest(${column(13, 'text')}, ${column(14, 'text')}, ${column(15, 'text')}) as given (task_id, key, value)
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
    arrayLiteral(tasks.map((task) => task.rateKey)),
    plainArray(params.map((param) => param.taskId)),
    arrayLiteral(params.map((param) => param.key)),
    arrayLiteral(params.map((param) => param.value)),
  ]
}

/** The same insertion with further parameters: trace contexts, and entries of the audit. */
export interface Insertions {
  readonly plain: Statement
  readonly traced: Statement
  readonly audited: Statement
}

/** The statement for these tasks, and its last parameters. */
export function chooseInsertion(
  insertions: Insertions,
  tasks: readonly NewTask[],
): { sent: Statement; more: string[] } {
  const traces = () => arrayLiteral(tasks.map(({ traceContext = null }) => traceContext))
  if (tasks.some(({ audit }) => audit)) {
    return { sent: insertions.audited, more: [traces(), createValue(tasks)] }
  }
  if (tasks[0]?.traceContext === undefined) return { sent: insertions.plain, more: [] }
  return { sent: insertions.traced, more: [traces()] }
}

const PAYLOAD = `$${INSERTION_PARAMETERS + 1}::text`
const MS = (instant: string) => `(extract(epoch from ${instant}) * 1000)::float8`
const WHOLE = `count(*)::int as inserted, ${MS('min(created_at)')} as "createdAt"`
const EACH = `task_id as "taskId", ${MS('created_at')} as "createdAt", ${MS('run_at')} as "runAt"`

// Returns only what the database decides: a row for each task takes the client as long as making the statement, whole
// rows as long as writing them. The notification is a sub-select, so that it runs once instead of per row.
const insertText = (
  text: InsertionText,
  trace?: number,
  audit?: number,
) => `with ${insertion(text, trace)}${audit ? `, ${audited(audit)}` : ''}
   select ${text.isWhole ? WHOLE : EACH},
          case when ${PAYLOAD} is not null then (select pg_notify('${CHANNEL}', ${PAYLOAD}))::text end as notified
     from created${text.isWhole ? ' having count(*) > 0' : ''}`

const audited = (parameter: number) =>
  auditCte(
    'created',
    'coalesce(given.subject, created.task_id)',
    parameter,
    'given.task_id = created.task_id',
  )

/** `last`: number of the last parameter of the plain one. */
export function insertionsOf(
  name: string,
  { last, ...text }: InsertionText & { readonly last: number },
): Insertions {
  return {
    plain: statement(name, insertText(text)),
    traced: statement(`${name}_traced`, insertText(text, last + 1)),
    audited: statement(`${name}_audited`, insertText(text, last + 1, last + 2)),
  }
}

// Tasks of one call have one instant, also if several statements insert them.
const INSERT = insertionsOf('insert', { isWhole: true, createdAt: 'now()', last: INSERTION_PARAMETERS + 1 })

interface InsertedRow {
  readonly inserted: number
  readonly createdAt: number
}

/** Inserts tasks without unique keys, all or none. `payload` notifies, unless PostgreSQL's queue is full. */
export async function insertTasks(
  db: Database,
  tasks: readonly NewTask[],
  payload: string | null = null,
): Promise<{ created: ReadonlyMap<string, TaskTimes>; notified: boolean }> {
  const { sent, more } = chooseInsertion(INSERT, tasks)
  const run = (notify: string | null) =>
    execute<InsertedRow>(db, sent, [...insertValues(tasks), notify, ...more])
  const rows = payload === null ? undefined : await unlessBusy(run(payload), LIMIT_EXCEEDED)
  return { created: timesOfAll(tasks, rows ?? (await run(null))), notified: rows !== undefined }
}

/** Tasks of one statement of a large create. */
export const INSERT_PART = 1_000

/**
 * Inserts tasks without unique keys in one transaction, all or none. Returns what `receive` returned for each part, in
 * order.
 */
export async function insertInParts<T>(
  db: Database,
  tasks: readonly NewTask[],
  receive: (part: readonly NewTask[], created: ReadonlyMap<string, TaskTimes>) => readonly T[],
): Promise<T[]> {
  return transact(db, async (client) => {
    const received: T[] = []
    for (let from = 0; from < tasks.length; from += INSERT_PART) {
      const part = tasks.slice(from, from + INSERT_PART)
      const { sent, more } = chooseInsertion(INSERT, part)
      const rows = await client.execute<InsertedRow>(sent, [...insertValues(part), null, ...more])
      received.push(...receive(part, timesOfAll(part, rows)))
    }
    return received
  })
}

/** Opens a connection and fills its caches without inserting anything: that takes longer than a first insert. */
export async function warmUpInsert(db: Database): Promise<void> {
  await insertTasks(db, [], '')
}

function timesOfAll(tasks: readonly NewTask[], [row]: readonly InsertedRow[]): Map<string, TaskTimes> {
  const [inserted, createdAt] = [Number(row?.inserted ?? 0), Number(row?.createdAt)]
  // A host's trigger may skip rows.
  if (inserted !== tasks.length) throw new Error(`the database inserted ${inserted} of ${tasks.length} tasks`)
  const timesOf = ({ runAt, delayMs }: NewTask) => ({
    createdAt: new Date(createdAt),
    runAt: new Date(runAt ?? createdAt + delayMs),
  })
  return new Map(tasks.map((task) => [task.taskId, timesOf(task)]))
}

/** Returns undefined, with nothing written, on a lock timeout or the other SQLSTATE. */
export async function unlessBusy<T>(work: Promise<T>, other: string): Promise<T | undefined> {
  try {
    return await work
  } catch (error) {
    const code = codeOf(error)
    if (code === LOCK_NOT_AVAILABLE || code === other) return undefined
    throw error
  }
}
