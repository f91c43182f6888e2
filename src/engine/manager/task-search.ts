import type { TaskQuery } from '../../contract/given.ts'
import type { TaskList, TaskSummary } from '../../contract/task.ts'
import type { Database } from '../../db/database.ts'
import { TaskError } from '../definition/errors.ts'
import { previewOf } from '../definition/params-preview.ts'
import type { Redaction } from '../definition/redaction.ts'
import type { ListPosition, TaskFilter } from '../store/list-branches.ts'
import { findTasks, type ListedRow, searchIds } from '../store/read.ts'
import { toSummary } from '../store/rows.ts'
import {
  SEARCH_WINDOW,
  type SearchedParam,
  type SearchPage,
  type SearchResult,
  searchTasks,
  type TaskSearch,
} from '../store/search.ts'
import { encodeCursor } from './cursor.ts'

type SearchFields = Pick<TaskQuery, 'error' | 'param' | 'uniqueKey' | 'executorId' | 'sort'>

export interface ListPage {
  readonly page: number
  readonly pageSize: number
  readonly after: ListPosition | undefined
  /** Of a cursor within a window; undefined: that of the page. */
  readonly offset: number | undefined
}

/** Undefined: indexes find the tasks, in the order of the list. @throws TaskError `INVALID_ARGUMENT` */
export function toSearch(
  { error, param, uniqueKey, executorId, sort = 'created' }: SearchFields,
  redaction: Redaction,
): TaskSearch | undefined {
  const isFound = [error, param, uniqueKey, executorId].every((field) => field === undefined)
  if (isFound && sort === 'created') return undefined
  return {
    error,
    uniqueKey,
    executorId,
    sort,
    param: param === undefined ? undefined : toParam(param, redaction),
  }
}

/** A page of what was found in a bounded number of tasks. */
export async function searchList(
  parts: { db: Database; redaction: Redaction },
  filter: TaskFilter,
  search: TaskSearch,
  { page, pageSize, after, offset: given }: ListPage,
): Promise<TaskList> {
  const offset = given ?? (after ? 0 : (page - 1) * pageSize)
  const wanted: SearchPage = { limit: pageSize, offset, after }
  const result = await findVisible(parts, filter, search, wanted)
  const { rows, found, searched, oldest } = result
  const nextCursor = nextCursorOf(result, wanted)
  return {
    tasks: rows.map((row) => toListed(row, parts.redaction)),
    total: found,
    ...(nextCursor === null && !after ? {} : { totalIsEstimate: true as const }),
    page,
    pageSize,
    nextCursor,
    searched: { tasks: searched, oldest, isComplete: result.end === undefined },
  }
}

interface Found extends SearchResult {
  /** Where the next window begins; undefined: there is none. */
  readonly end: ListPosition | undefined
}

/** Most matches of one call whose unique keys are checked for redacted values. */
const MAX_CHECKED = 200

/** A unique key may contain a redacted value: who does not see the key must not find it, nor learn of it by a count. */
async function findVisible(
  { db, redaction }: { db: Database; redaction: Redaction },
  filter: TaskFilter,
  search: TaskSearch,
  page: SearchPage,
): Promise<Found> {
  const ids = await searchIds(db, filter)
  const isChecked = search.uniqueKey !== undefined && redaction.isUsed
  const wanted = isChecked ? { ...page, limit: MAX_CHECKED, offset: 0 } : page
  const result = await searchTasks(db, filter, search, wanted, ids)
  const windowEnd = result.searched === SEARCH_WINDOW ? result.last : undefined
  if (!isChecked) return { ...result, end: windowEnd }
  const details = await findTasks(
    db,
    result.rows.map(({ taskId }) => taskId),
  )
  const isShown = ({ taskId }: ListedRow) => {
    const task = details.get(taskId)
    return !task || redaction.hide(task).uniqueKey === search.uniqueKey
  }
  const shown = result.rows.filter(isShown)
  const rows = shown.slice(page.offset, page.offset + page.limit)
  const end = result.found > MAX_CHECKED ? result.rows.at(-1) : windowEnd
  return { ...result, rows, found: shown.length, end }
}

function nextCursorOf({ found, first, end }: Found, { limit, offset, after }: SearchPage): string | null {
  const start = after ?? (first && beforeOf(first))
  if (start && offset + limit < found) return encodeCursor(start, offset + limit)
  return end ? encodeCursor(end) : null
}

export function toListed(listed: ListedRow, redaction: Redaction): TaskSummary {
  const { id: _id, createdAtMicros: _micros, paramStarts, ...row } = listed
  const paramsPreview = previewOf(paramStarts, (key) => redaction.hidesParam(row.taskType, key))
  return { ...toSummary(row), ...(paramsPreview !== undefined && { paramsPreview }) }
}

/** The window that begins with this task: new tasks must not move it. */
function beforeOf({ createdAtMicros, id }: ListPosition): ListPosition {
  return { createdAtMicros, id: String(BigInt(id) + 1n) }
}

const NUMBER_OR_WORD = /^(-?\d+(\.\d+)?(e[+-]?\d+)?|true|false|null)$/i

function toParam(text: string, redaction: Redaction): SearchedParam {
  const colon = text.indexOf(':')
  const [key, value] = [text.slice(0, colon), text.slice(colon + 1)]
  const hiddenTypes = redaction.typesThatHide(key)
  if (hiddenTypes === 'all') {
    const detail = `${JSON.stringify(key)} is redacted: its values cannot be searched`
    throw new TaskError('INVALID_ARGUMENT', `invalid list query: param: ${detail}`, {
      problems: [{ pointer: '/param', detail }],
    })
  }
  const values = [JSON.stringify(value)]
  if (NUMBER_OR_WORD.test(value)) values.push(value, String(Number(value)))
  return { key, values, hiddenTypes }
}
