import {
  arrayLiteral,
  type Database,
  execute,
  type Statement,
  statement,
  transact,
} from '../../db/database.ts'
import { DEADLOCK } from '../../db/errors.ts'
import { type CallersTransaction, runIn } from '../../db/query-runner.ts'
import { withoutStatement } from '../definition/thrown.ts'
import { entriesValue, type NewAuditEntry, RECORD } from './audit.ts'
import { EXPIRE_HOLDERS, type ExpiredHolder } from './expire.ts'
import {
  chooseInsertion,
  column,
  INSERTION_PARAMETERS,
  insertionsOf,
  insertValues,
  type NewTask,
  unlessBusy,
} from './insert.ts'
import { mayReplace, type ReplacedRow, replaceHolders } from './replace.ts'
import { DETAIL_COLUMNS, type DetailRow, parseDetailRow, type TaskTimes } from './rows.ts'
import { TASKS } from './tables.ts'

/** Creates of tasks with unique keys. */

const LOCK_TIMEOUT = `$${INSERTION_PARAMETERS + 2}::text`

const INSERT_UNIQUE = insertionsOf('insert_unique', {
  condition: `where ${LOCK_TIMEOUT} is null or (select set_config('lock_timeout', ${LOCK_TIMEOUT}, true)) is not null`,
  conflict: `on conflict (unique_key) where unique_key is not null and status in ('pending', 'running') do nothing`,
  last: INSERTION_PARAMETERS + 2,
})

// JSON text, because drivers and Drizzle decode instants differently.
const HOLDERS = statement(
  'key_holders',
  `select row_to_json(holder)::text as holder,
          t.status = 'pending' and coalesce(t.expires_at <= statement_timestamp(), false) as "isExpired"
     from ${TASKS} t cross join lateral (select ${DETAIL_COLUMNS}) as holder
    where t.unique_key = any(${column(1, 'text')}) and t.status in ('pending', 'running')`,
)

interface CreatedRow {
  readonly taskId: string
  readonly createdAt: number
  readonly runAt: number
}

export interface Insertion {
  readonly created: ReadonlyMap<string, TaskTimes>
  readonly holders: ReadonlyMap<string, DetailRow>
  /** Holders that have been replaced, by key. */
  readonly replaced?: ReadonlyMap<string, ReplacedRow>
  /** Holders that had expired and have been cancelled. */
  readonly expired?: readonly ExpiredHolder[]
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
  return created && { created, ...(await findHolders(run, tasks, created)) }
}

/**
 * In a caller's transaction: waits for keys as long as its settings allow. The commit notifies other processes. An error
 * of `check` leaves what was created for the caller to withdraw, and nothing replaced.
 */
export async function insertIn(
  on: CallersTransaction,
  tasks: readonly NewTask[],
  payload: string | null,
  steps: Steps,
): Promise<Insertion> {
  const run: Run = ({ text }, values) =>
    runIn(on, text, values).catch((error: unknown) => {
      // Drizzle's error contains the values, and with them the params of tasks; its cause does not.
      throw withoutStatement(error)
    })
  return insertAll(run, tasks, { lockTimeout: null, payload, ...steps })
}

/** The same in one transaction, until each task has a row or a holder. An error of `check` rolls it back. */
export async function insertAllUnique(
  db: Database,
  tasks: readonly NewTask[],
  waitMs: number,
  steps: Steps,
): Promise<Insertion | undefined> {
  const options = { lockTimeout: `${waitMs}ms`, payload: null, ...steps }
  const work = transact(db, (client) =>
    insertAll((sent, values) => client.execute(sent, values), tasks, options),
  )
  return unlessBusy(work, DEADLOCK)
}

export async function withdrawIn(on: CallersTransaction, taskIds: readonly string[]): Promise<void> {
  if (taskIds.length > 0) await runIn(on, `delete from ${TASKS} where task_id = any($1::text[])`, [taskIds])
}

type Run = (sent: Statement, values: unknown[]) => Promise<unknown[]>

interface Steps {
  /** Throws where a task must not have been held. */
  readonly check?: (insertion: Insertion) => void
  /** The entries of the audit, written in the same transaction. */
  readonly toEntries: (insertion: Insertion) => readonly NewAuditEntry[]
}

interface InsertOptions {
  readonly lockTimeout: string | null
  readonly payload: string | null
}

/** Each further round follows a holder that ended, or was claimed, between two statements. */
async function insertAll(
  run: Run,
  tasks: readonly NewTask[],
  { check, toEntries, ...options }: InsertOptions & Steps,
): Promise<Insertion> {
  const created = new Map<string, TaskTimes>()
  const holders = new Map<string, DetailRow>()
  const replaced = new Map<string, ReplacedRow>()
  const expired: ExpiredHolder[] = []
  const insertOpen = async (open: readonly NewTask[]) => {
    while (open.length > 0) {
      // The tasks may still be withdrawn: their entries come last.
      const silent = open.map((task) => ({ ...task, audit: undefined }))
      for (const [taskId, times] of await insertFree(run, silent, options)) created.set(taskId, times)
      const found = await findHolders(run, open, created)
      for (const [key, row] of found.holders) holders.set(key, row)
      expired.push(...found.expired)
      open = open.filter((task) => !isResolved(task, { created, holders }))
    }
  }
  await insertOpen(tasks)
  check?.({ created, holders })
  // A holder that waits is to be replaced; what is not, was claimed or has ended.
  const isOpen = (task: NewTask) =>
    task.onDuplicate === 'replace' && !created.has(task.taskId) && canReplace(task, holders)
  for (let open = tasks.filter(isOpen); open.length > 0; open = open.filter(isOpen)) {
    for (const [key, one] of await replaceHolders(run, open, options.payload)) {
      replaced.set(key, one)
    }
    open = open.filter(({ uniqueKey }) => !replaced.has(uniqueKey ?? ''))
    for (const { uniqueKey } of open) holders.delete(uniqueKey ?? '')
    await insertOpen(open)
  }
  const entries = toEntries({ created, holders, replaced })
  if (entries.length > 0) await run(RECORD, [entriesValue(entries)])
  return { created, holders, replaced, expired }
}

function canReplace(task: NewTask, holders: Insertion['holders']): boolean {
  const holder = holders.get(task.uniqueKey ?? '')
  return holder?.status === 'pending' && mayReplace(task, holder)
}

async function insertFree(
  run: Run,
  tasks: readonly NewTask[],
  { payload, lockTimeout }: InsertOptions,
): Promise<Map<string, TaskTimes>> {
  // All processes lock keys in the same order, so none deadlock.
  const sorted = tasks.toSorted((a, b) => compare(a.uniqueKey ?? '', b.uniqueKey ?? ''))
  const { sent, more } = chooseInsertion(INSERT_UNIQUE, sorted)
  const rows = await run(sent, [...insertValues(sorted), payload, lockTimeout, ...more])
  return new Map(
    (rows as CreatedRow[]).map(({ taskId, createdAt, runAt }) => [
      taskId,
      { createdAt: new Date(Number(createdAt)), runAt: new Date(Number(runAt)) },
    ]),
  )
}

async function findHolders(
  run: Run,
  tasks: readonly NewTask[],
  created: ReadonlyMap<string, TaskTimes>,
): Promise<{ holders: Map<string, DetailRow>; expired: readonly ExpiredHolder[] }> {
  const heldKeys = tasks.flatMap(({ taskId, uniqueKey }) => (created.has(taskId) ? [] : (uniqueKey ?? [])))
  if (heldKeys.length === 0) return { holders: new Map(), expired: [] }
  const keys = arrayLiteral([...new Set(heldKeys)])
  const rows = (await run(HOLDERS, [keys])) as { holder: string; isExpired: boolean }[]
  const holders = new Map(
    rows.map(({ holder }) => parseDetailRow(holder)).map((row) => [row.uniqueKey ?? '', row]),
  )
  if (!rows.some(({ isExpired }) => isExpired)) return { holders, expired: [] }
  // No claim starts an expired task any more: its key is free.
  const expired = (await run(EXPIRE_HOLDERS, [keys])) as ExpiredHolder[]
  for (const { key } of expired) holders.delete(key)
  return { holders, expired }
}

export function isResolved({ taskId, uniqueKey }: NewTask, { created, holders }: Insertion): boolean {
  return created.has(taskId) || (uniqueKey !== null && holders.has(uniqueKey))
}

/** As PostgreSQL's collation "C": by code points, which `<` does not compare. */
const compare = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b))
