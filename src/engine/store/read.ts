import type { LogQuery } from '../../contract/given.ts'
import { MAX_EXACT_TOTAL } from '../../contract/requests.ts'
import type { TaskDetail, TaskStatus } from '../../contract/task.ts'
import { type Database, execute, plainArray, query, statement } from '../../db/database.ts'
import { instant } from '../../db/reading.ts'
import { PREVIEW_PARAMS, PREVIEW_VALUE_CHARS } from '../definition/params-preview.ts'
import { IS_SERVING } from './fence.ts'
import {
  branchesOf,
  containsText,
  type IdSearch,
  IS_LISTED,
  type ListPosition,
  MICROS,
  matchIds,
  startsWith,
  type TaskFilter,
  type TypeMatch,
  tellsMinute,
  Values,
} from './list-branches.ts'
import { DETAIL_COLUMNS, type DetailRow, fromDetailRow, type LogRow, type SummaryRow } from './rows.ts'
import { EXECUTORS, LOGS, PARAMS, TASKS } from './tables.ts'
import { TYPES } from './types-present.ts'

const FOUND_COLUMNS = `${DETAIL_COLUMNS},
          case when t.status = 'pending' and t.run_at <= now() - interval '1 second' and not exists (
                    select from ${EXECUTORS} e where ${IS_SERVING('e')} and t.task_type = any(e.task_types))
               then 'executor' end as "waitingFor"`

const FIND = statement('find', `select ${FOUND_COLUMNS} from ${TASKS} t where t.task_id = $1`)

export async function findTask(db: Database, taskId: string): Promise<TaskDetail | undefined> {
  const [found] = await execute<DetailRow>(db, FIND, [taskId])
  return found && fromDetailRow(found)
}

const FIND_MANY = statement(
  'find_many',
  `select ${FOUND_COLUMNS} from ${TASKS} t where t.task_id = any($1::text[])`,
)

/** @param taskIds match `TASK_ID` */
export async function findTasks(db: Database, taskIds: readonly string[]): Promise<Map<string, TaskDetail>> {
  const rows = await execute<DetailRow>(db, FIND_MANY, [plainArray(taskIds)])
  return new Map(rows.map((row) => [row.taskId, fromDetailRow(row)]))
}

const ENDED = statement(
  'ended',
  `select asked.task_id as "taskId"
     from unnest($1::text[]) as asked (task_id)
     left join ${TASKS} t on t.task_id = asked.task_id
    where (t.status in ('pending', 'running')) is not true`,
)

/** Returns those that are finished or do not exist. @param taskIds match `TASK_ID` */
export async function findEnded(db: Database, taskIds: readonly string[]): Promise<string[]> {
  const rows = await execute<{ taskId: string }>(db, ENDED, [plainArray(taskIds)])
  return rows.map((row) => row.taskId)
}

const STATUSES = statement(
  'statuses',
  `select task_id as "taskId", status from ${TASKS} where task_id = any($1::text[])`,
)

export async function findStatuses(
  db: Database,
  taskIds: readonly string[],
): Promise<Map<string, TaskStatus>> {
  const rows = await execute<{ taskId: string; status: TaskStatus }>(db, STATUSES, [taskIds])
  return new Map(rows.map((row) => [row.taskId, row.status]))
}

const CREATED_BY = statement(
  'created_by',
  `select task_id as "taskId" from ${TASKS} where task_id = any($1::text[]) and created_by = $2::text`,
)

/** Those that this user has created. @param taskIds those that `TASK_ID` allows */
export async function findCreatedBy(
  db: Database,
  taskIds: readonly string[],
  createdBy: string,
): Promise<Set<string>> {
  const rows = await execute<{ taskId: string }>(db, CREATED_BY, [plainArray(taskIds), createdBy])
  return new Set(rows.map((row) => row.taskId))
}

export interface ListedRow extends SummaryRow, ListPosition {
  /** The beginnings of its first params, as JSON; null: it has none. */
  readonly paramStarts: Readonly<Record<string, string>> | null
}

/** Of a task in a list: bounded, however many params it has, and however long they are. */
const PARAM_STARTS = `(select json_object_agg(p.key, left(p.value, ${PREVIEW_VALUE_CHARS + 1}))
             from (select key, value from (select id, key, value from ${PARAMS} where task_id = t.task_id limit 50) few
                    order by id limit ${PREVIEW_PARAMS}) p)`

export const LIST_COLUMNS = `t.id, ${MICROS('t.created_at')} as "createdAtMicros",
          t.task_id as "taskId", t.task_type as "taskType", t.status, t.progress, t.total, t.step,
          ${instant('t.created_at')} as "createdAt", ${instant('t.started_at')} as "startedAt", ${instant('t.completed_at')} as "completedAt",
          ${instant('t.cancelled_at')} as "cancelledAt", ${instant('t.run_at')} as "runAt", t.retry_count as "retryCount", t.max_retries as "maxRetries",
          t.error_message as "error", ${PARAM_STARTS} as "paramStarts"`

// Finds the ids of the page in the indexes first: only its own rows are read from the table.
export async function listTasks(
  db: Database,
  filter: TaskFilter,
  page: { limit: number; offset: number; after?: ListPosition | undefined },
  search: IdSearch,
): Promise<ListedRow[]> {
  const values = new Values()
  const depth = values.add(page.offset + page.limit)
  const order = 'order by created_at desc, id desc'
  const branches = branchesOf(filter, values, search, page.after).map(
    (where) => `(select id, created_at from ${TASKS} where ${where} ${order} limit ${depth})`,
  )
  if (branches.length === 0) return []
  const text = `select ${LIST_COLUMNS}
     from (select id from (${branches.join(' union all ')}) branches
           ${order} limit ${values.add(page.limit)} offset ${values.add(page.offset)}) page
     join ${TASKS} t on t.id = page.id
    order by t.created_at desc, t.id desc`
  return query<ListedRow>(db, text, values.all)
}

/** Exact up to a bound; bound + 1 beyond it. */
export async function countTasks(db: Database, filter: TaskFilter, search: IdSearch): Promise<number> {
  const values = new Values()
  const bound = values.add(MAX_EXACT_TOTAL + 1)
  // List order makes the planner walk the indexes: without it, it scans the table where that seems to end soon.
  const branches = branchesOf(filter, values, search).map(
    (where) => `(select id from ${TASKS} where ${where} order by created_at desc, id desc limit ${bound})`,
  )
  if (branches.length === 0) return 0
  const text = `select count(*)::int as count from (select id from (${branches.join(' union all ')}) branches limit ${bound}) bounded`
  const [row] = await query<{ count: number }>(db, text, values.all)
  return row?.count ?? 0
}

/** Beyond it, ids are found in list order; the shorter their time span, the more rows are read in vain. */
const FEW = { ofOneMinute: 200_000, others: 20_000 }

const COUNT_OWN = statement(
  'count_own',
  `select count(*)::int as count
     from (select from ${TASKS} where created_by = $1::text and status <> 'running' and ${IS_LISTED}
            limit ${FEW.others + 1}) bounded`,
)

export async function searchIds(
  db: Database,
  { q, createdBy }: Pick<TaskFilter, 'q' | 'createdBy'>,
): Promise<IdSearch> {
  const ids = q === undefined ? 'all' : matchIds(q)
  if (q === undefined || ids === 'all') return EVERY_ID
  if (createdBy !== undefined) {
    if (ids === 'none') return { ids, usesIdBounds: false, types: 'many' }
    const [own] = await execute<{ count: number }>(db, COUNT_OWN, [createdBy])
    return { ids: (own?.count ?? 0) > FEW.others ? 'many' : 'own', usesIdBounds: false, types: 'many' }
  }
  const types = await findTypes(db, q)
  if (ids === 'none') return { ids, usesIdBounds: false, types }
  const usesIdBounds = await ordersIdsPlainly(db)
  const values = new Values()
  const where = startsWith(q, values, usesIdBounds)
  const few = tellsMinute(q) ? FEW.ofOneMinute : FEW.others
  const text = `select count(*)::int as count from (select from ${TASKS} where ${where} limit ${few + 1}) bounded`
  const [row] = await query<{ count: number }>(db, text, values.all)
  return { ids: (row?.count ?? 0) > few ? 'many' : 'few', usesIdBounds, types }
}

export const EVERY_ID: IdSearch = { ids: 'all', usesIdBounds: false, types: 'many' }

/** Types whose indexes a list walks one by one. */
const MAX_TYPES = 20

const FIND_TYPES = statement(
  'types_like',
  `with recursive ${TYPES}
   select distinct task_type as "taskType"
     from (select task_type from types
           union all
           select task_type from ${TASKS} where status = 'running') present
    where ${containsText('task_type', '$1::text')}
    limit ${MAX_TYPES + 1}`,
)

async function findTypes(db: Database, q: string): Promise<TypeMatch> {
  const rows = await execute<{ taskType: string }>(db, FIND_TYPES, [q])
  return rows.length > MAX_TYPES ? 'many' : rows.map(({ taskType }) => taskType)
}

// Estonian sorts z before t; Danish sorts aa after z.
const PLAIN_ORDER = statement(
  'plain_order',
  `select bool_and(letter <= 'z') and 'aa' < 'ab' and 'task_1' < 'task_1z' and 'task_1Z' <= 'task_1zz' as plain
     from unnest(string_to_array('0 9 a b s t u y A T Y Z', ' ')) letter`,
)
const plainOrders = new WeakMap<Database, Promise<boolean>>()

function ordersIdsPlainly(db: Database): Promise<boolean> {
  const known = plainOrders.get(db)
  if (known) return known
  const asked = execute<{ plain: boolean }>(db, PLAIN_ORDER, []).then(([row]) => row?.plain ?? false)
  plainOrders.set(db, asked)
  asked.catch(() => plainOrders.delete(db))
  return asked
}

type LogFilter = Pick<LogQuery, 'level' | 'afterId' | 'beforeId' | 'since'>

const LOG_COLUMNS = `id::float8 as id, level, message, ${instant('created_at')} as "createdAt", attempt, data`

export function listLogs(
  db: Database,
  taskId: string,
  filter: LogFilter,
  page: { limit: number; offset: number; order: 'asc' | 'desc' },
): Promise<LogRow[]> {
  const values = new Values()
  const text = `select ${LOG_COLUMNS} from ${LOGS} l where ${matchesLog(taskId, filter, values)}
     order by l.id ${page.order} limit ${values.add(page.limit)} offset ${values.add(page.offset)}`
  return query<LogRow>(db, text, values.all)
}

export async function countLogs(db: Database, taskId: string, filter: LogFilter): Promise<number> {
  const values = new Values()
  const text = `select count(*)::int as count from ${LOGS} where ${matchesLog(taskId, filter, values)}`
  const [row] = await query<{ count: number }>(db, text, values.all)
  return row?.count ?? 0
}

/** Lines that one search scans: a fraction of a second. */
const SEARCHED_LINES = 50_000

export interface LogSearch {
  readonly rows: LogRow[]
  readonly searched: number
  /** The position that goes on; null: all were looked through. */
  readonly nextId: number | null
}

/** Lines that contain a text, in any case, among the next ones in this order. */
export async function searchLogs(
  db: Database,
  taskId: string,
  { q, ...filter }: LogFilter & { readonly q: string },
  { limit, order }: { limit: number; order: 'asc' | 'desc' },
): Promise<LogSearch> {
  const values = new Values()
  const text = `with looked as materialized (
       select ${LOG_COLUMNS} from ${LOGS} l where ${matchesLog(taskId, filter, values)}
        order by l.id ${order} limit ${SEARCHED_LINES}
     )
     select span.searched, span.last, found.*
       from (select count(*)::int as searched, ${order === 'asc' ? 'max' : 'min'}(id) as last from looked) span
       left join (
         select * from looked
          where position(lower(${values.add(q)}) in lower(message || ' ' || coalesce(data, ''))) > 0
          order by id ${order} limit ${values.add(limit)}
       ) found on true
      order by found.id ${order}`
  const read = await query<Partial<LogRow> & { searched: number; last: number | null }>(db, text, values.all)
  const [{ searched = 0, last = null } = {}] = read
  // Without a match, the only row has no line.
  const rows = read.filter((row): row is LogRow & typeof row => typeof row.id === 'number')
  const isFull = rows.length === limit
  const nextId = isFull ? (rows.at(-1)?.id ?? null) : searched === SEARCHED_LINES ? last : null
  return { rows: rows.map(({ searched: _searched, last: _last, ...row }) => row), searched, nextId }
}

function matchesLog(taskId: string, { level, afterId, beforeId, since }: LogFilter, values: Values): string {
  const conditions = [`task_id = ${values.add(taskId)}`]
  if (level !== undefined) conditions.push(`level = ${values.add(level)}`)
  if (afterId !== undefined) conditions.push(`id > ${values.add(afterId)}`)
  if (beforeId !== undefined) conditions.push(`id < ${values.add(beforeId)}`)
  if (since !== undefined) conditions.push(`created_at >= ${values.add(since)}::timestamptz`)
  return conditions.join(' and ')
}
