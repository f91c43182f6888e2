import type { TaskQuery, TaskSort } from '../../contract/given.ts'
import { TASK_STATUSES, type TaskStatus } from '../../contract/task.ts'
import { type Database, query } from '../../db/database.ts'
import { instant, secondsBetween } from '../../db/reading.ts'
import {
  branchesOf,
  containsText,
  type IdSearch,
  type ListPosition,
  MICROS,
  type TaskFilter,
  Values,
} from './list-branches.ts'
import { LIST_COLUMNS, type ListedRow } from './read.ts'
import { PARAMS, TASKS } from './tables.ts'

/**
 * Searches for what no index finds, and orders that none has. A call reads a bounded number of tasks in the order of the
 * list, from the newest or from where an earlier call ended.
 */

/** Tasks that one call reads. */
export const SEARCH_WINDOW = 20_000

export interface TaskSearch extends Readonly<Pick<TaskQuery, 'error' | 'uniqueKey' | 'executorId'>> {
  readonly param?: SearchedParam | undefined
  readonly sort: TaskSort
}

export interface SearchedParam {
  readonly key: string
  /** JSON texts that are the value. */
  readonly values: readonly string[]
  /** Types whose param of this name is redacted. */
  readonly hiddenTypes: readonly string[]
}

export interface SearchPage {
  readonly limit: number
  /** Matching tasks of the window that earlier pages have shown. */
  readonly offset: number
  readonly after?: ListPosition | undefined
}

export interface SearchResult {
  readonly rows: readonly ListedRow[]
  readonly searched: number
  /** Of those searched. */
  readonly found: number
  readonly first: ListPosition | undefined
  readonly last: ListPosition | undefined
  readonly oldest: Date | null
}

const ENDED_AT = 'coalesce(t.completed_at, t.cancelled_at)'

const SORT_KEYS: Record<TaskSort, string> = {
  created: 'null::float8',
  ended: `extract(epoch from ${ENDED_AT})::float8`,
  duration: secondsBetween('t.started_at', `case when t.status = 'running' then now() else ${ENDED_AT} end`),
  waiting: secondsBetween(
    't.run_at',
    `case when t.status <> 'pending' then t.started_at when t.run_at <= now() then now() end`,
  ),
  attempts: 't.attempt::float8',
}

interface FoundRow extends Partial<ListedRow> {
  readonly searched: number
  readonly found: number
  readonly firstMicros: string | null
  readonly firstId: string | null
  readonly lastMicros: string | null
  readonly lastId: string | null
  readonly oldest: Date | null
}

// The window is read in the order of the indexes; what decides about a task is read with it.
export async function searchTasks(
  db: Database,
  filter: TaskFilter,
  search: TaskSearch,
  page: SearchPage,
  ids: IdSearch,
): Promise<SearchResult> {
  const values = new Values()
  const window = values.add(SEARCH_WINDOW)
  const order = 'order by created_at desc, id desc'
  const matches = conditionsOf(search, values)
  const status = possibleStatuses(filter, search)
  if (status.length === 0) return NOTHING
  const branches = branchesOf({ ...filter, status }, values, ids, page.after).map(
    (where) => `(select t.id, t.created_at, ${matches} as matches, ${SORT_KEYS[search.sort]} as sort_key
        from ${TASKS} t where ${where} ${order} limit ${window})`,
  )
  if (branches.length === 0) return NOTHING
  const sorted = `order by sort_key desc nulls last, created_at desc, id desc`
  const text = `with searched as materialized (
     select * from (${branches.join(' union all ')}) branches ${order} limit ${window}
   ), found as (
     select * from searched where matches ${sorted}
      limit ${values.add(page.limit)} offset ${values.add(page.offset)}
   ), facts as (
     select (select count(*)::int from searched) as searched,
            (select count(*)::int from searched where matches) as found,
            newest.micros as "firstMicros", newest.id as "firstId", last.micros as "lastMicros", last.id as "lastId",
            ${instant('last.created_at')} as oldest
       from (select 1) always
       left join (select ${MICROS('created_at')}::text as micros, id::text as id
                    from searched ${order} limit 1) newest on true
       left join (select ${MICROS('created_at')}::text as micros, id::text as id, created_at
                    from searched order by created_at, id limit 1) last on true
   )
   select facts.*, page.*
     from facts
     left join (select ${LIST_COLUMNS}, found.sort_key from found join ${TASKS} t on t.id = found.id) page on true
    order by page.sort_key desc nulls last, page."createdAtMicros" desc, page.id desc`
  return toResult(await query<FoundRow>(db, text, values.all))
}

const NOTHING: SearchResult = {
  rows: [],
  searched: 0,
  found: 0,
  first: undefined,
  last: undefined,
  oldest: null,
}

function toResult(rows: readonly FoundRow[]): SearchResult {
  const [facts] = rows
  if (!facts) throw new Error('a search returned no row')
  const { searched, found, firstMicros, firstId, lastMicros, lastId, oldest } = facts
  return {
    rows: rows.filter((row): row is FoundRow & ListedRow => row.id !== null && row.id !== undefined),
    searched,
    found,
    first: positionOf(firstMicros, firstId),
    last: positionOf(lastMicros, lastId),
    oldest,
  }
}

function positionOf(createdAtMicros: string | null, id: string | null): ListPosition | undefined {
  return createdAtMicros === null || id === null ? undefined : { createdAtMicros, id }
}

/** A completed task has no error, and a pending one no executor. */
function possibleStatuses({ status = [] }: TaskFilter, { error, executorId }: TaskSearch): TaskStatus[] {
  return TASK_STATUSES.filter(
    (one) =>
      (status.length === 0 || status.includes(one)) &&
      (error === undefined || one !== 'completed') &&
      (executorId === undefined || one !== 'pending'),
  )
}

function conditionsOf({ error, param, uniqueKey, executorId }: TaskSearch, values: Values): string {
  const conditions = ['true']
  if (error !== undefined) {
    conditions.push(`coalesce(${containsText('t.error_message', values.add(error))}, false)`)
  }
  if (uniqueKey !== undefined) conditions.push(`t.unique_key is not distinct from ${values.add(uniqueKey)}`)
  if (executorId !== undefined) {
    conditions.push(`t.executor_id is not distinct from ${values.add(executorId)}::uuid`)
  }
  if (param !== undefined) conditions.push(paramCondition(param, values))
  return conditions.join(' and ')
}

// The limit makes this a probe per task: without it, the planner may read all params into a hash.
function paramCondition({ key, values: texts, hiddenTypes }: SearchedParam, values: Values): string {
  return `t.task_type <> all(${values.add(hiddenTypes)}::text[]) and (
          select true from ${PARAMS} p
           where p.task_id = t.task_id and p.key = ${values.add(key)} and p.value = any(${values.add(texts)}::text[])
           limit 1) is not null`
}
