import { and, asc, desc, eq, gt, gte, inArray, like, lt, or, type SQL, sql } from 'drizzle-orm'
import { MAX_EXACT_TOTAL } from '../../contract/requests.ts'
import type { LogLevel, TaskDetail, TaskStatus } from '../../contract/task.ts'
import { type Database, execute, statement } from '../../db/database.ts'
import { asyncTaskLogs, asyncTasks } from '../schema.ts'
import { DETAIL_COLUMNS, type DetailRow, fromDetailRow, type SummaryRow } from './rows.ts'

const FIND = statement('find', `select ${DETAIL_COLUMNS} from async_tasks t where t.task_id = $1`)

export async function findTask(db: Database, taskId: string): Promise<TaskDetail | undefined> {
  const [found] = await execute<DetailRow>(db, FIND, [taskId])
  return found && fromDetailRow(found)
}

const STATUSES = statement(
  'statuses',
  `select task_id as "taskId", status from async_tasks where task_id = any($1::text[])`,
)

export async function findStatuses(
  db: Database,
  taskIds: readonly string[],
): Promise<Map<string, TaskStatus>> {
  const rows = await execute<{ taskId: string; status: TaskStatus }>(db, STATUSES, [taskIds])
  return new Map(rows.map((row) => [row.taskId, row.status]))
}

export interface TaskFilter {
  readonly status?: readonly TaskStatus[] | undefined
  readonly taskType?: string | undefined
  readonly q?: string | undefined
  readonly createdAfter?: Date | undefined
  readonly createdBefore?: Date | undefined
}

/** Where a page ends: microseconds since 1970, which a `Date` would round, and the row's id. */
export interface ListPosition {
  readonly createdAtMicros: string
  readonly id: string
}

export interface ListedRow extends SummaryRow, ListPosition {}

const createdAtMicros = sql<string>`(extract(epoch from ${asyncTasks.createdAt}) * 1000000)::bigint`

export function listTasks(
  db: Database,
  filter: TaskFilter,
  page: { limit: number; offset: number; after?: ListPosition | undefined },
): Promise<ListedRow[]> {
  const t = asyncTasks
  return db.orm
    .select({
      id: sql<string>`${t.id}`,
      createdAtMicros,
      taskId: t.taskId,
      taskType: t.taskType,
      status: sql<TaskStatus>`${t.status}`,
      progress: t.progress,
      total: t.total,
      step: t.step,
      createdAt: t.createdAt,
      startedAt: t.startedAt,
      completedAt: t.completedAt,
      runAt: t.runAt,
      retryCount: t.retryCount,
      maxRetries: t.maxRetries,
      error: t.errorMessage,
    })
    .from(t)
    .where(and(...matches(filter), page.after && olderThan(page.after)))
    .orderBy(desc(t.createdAt), desc(t.id))
    .limit(page.limit)
    .offset(page.offset)
}

/** Exact up to a bound, beyond which counting would cost more than anyone reads: then bound + 1. */
export async function countTasks(db: Database, filter: TaskFilter): Promise<number> {
  const some = db.orm
    .select({ one: sql`1` })
    .from(asyncTasks)
    .where(and(...matches(filter)))
    .limit(MAX_EXACT_TOTAL + 1)
    .as('some')
  const [row] = await db.orm.select({ count: sql<number>`count(*)::int` }).from(some)
  return row?.count ?? 0
}

/** The conditions of a filter, for a query of `async_tasks`. */
export function matches(filter: TaskFilter): (SQL | undefined)[] {
  const t = asyncTasks
  return [
    filter.status && filter.status.length > 0 ? inArray(t.status, [...filter.status]) : undefined,
    filter.taskType === undefined ? undefined : eq(t.taskType, filter.taskType),
    filter.q === undefined
      ? undefined
      : or(like(t.taskId, `${escapeLike(filter.q)}%`), eq(t.taskType, filter.q)),
    filter.createdAfter && gte(t.createdAt, filter.createdAfter),
    filter.createdBefore && lt(t.createdAt, filter.createdBefore),
  ]
}

function olderThan({ createdAtMicros: micros, id }: ListPosition): SQL {
  return sql`(${asyncTasks.createdAt}, ${asyncTasks.id})
    < (timestamptz 'epoch' + ${micros}::bigint * interval '1 microsecond', ${id}::bigint)`
}

function escapeLike(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&')
}

export interface LogRow {
  readonly id: number
  readonly level: LogLevel
  readonly message: string
  readonly createdAt: Date
  readonly attempt: number | null
  readonly data: string | null
}

export interface LogFilter {
  readonly level?: LogLevel | undefined
  readonly afterId?: number | undefined
}

export function listLogs(
  db: Database,
  taskId: string,
  filter: LogFilter,
  page: { limit: number; offset: number; order: 'asc' | 'desc' },
): Promise<LogRow[]> {
  const l = asyncTaskLogs
  return db.orm
    .select({
      id: l.id,
      level: sql<LogLevel>`${l.level}`,
      message: l.message,
      createdAt: l.createdAt,
      attempt: l.attempt,
      data: l.data,
    })
    .from(l)
    .where(and(...matchesLog(taskId, filter)))
    .orderBy(page.order === 'asc' ? asc(l.id) : desc(l.id))
    .limit(page.limit)
    .offset(page.offset)
}

export async function countLogs(db: Database, taskId: string, filter: LogFilter): Promise<number> {
  const [row] = await db.orm
    .select({ count: sql<number>`count(*)::int` })
    .from(asyncTaskLogs)
    .where(and(...matchesLog(taskId, filter)))
  return row?.count ?? 0
}

function matchesLog(taskId: string, filter: LogFilter): (SQL | undefined)[] {
  return [
    eq(asyncTaskLogs.taskId, taskId),
    filter.level && eq(asyncTaskLogs.level, filter.level),
    filter.afterId === undefined ? undefined : gt(asyncTaskLogs.id, filter.afterId),
  ]
}
