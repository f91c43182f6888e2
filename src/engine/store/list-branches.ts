import { TASK_STATUSES, type TaskStatus } from '../../contract/task.ts'

export interface TaskFilter {
  readonly status?: readonly TaskStatus[] | undefined
  readonly taskType?: string | undefined
  readonly q?: string | undefined
  readonly createdAfter?: Date | undefined
  readonly createdBefore?: Date | undefined
  /** The id of who created it, as text. */
  readonly createdBy?: string | undefined
}

/** Where a page ends: microseconds since 1970, which a `Date` would round, and the row's id. */
export interface ListPosition {
  readonly createdAtMicros: string
  readonly id: string
}

/**
 * What `q` asks for: ids that begin with it, where any can.
 * - `all`: every id begins so.
 * - `few`: no more than can be sorted; they are found by their ids.
 * - `many`: they are met in the order of the list, within the time that their ids tell.
 */
export type IdMatch = 'none' | 'all' | 'few' | 'many'

/** Microseconds of an instant, as a cursor has them: from 1970 to 9999, which no row leaves that the engine wrote. */
export const MICROS = (instant: string) =>
  `(extract(epoch from least(greatest(${instant}, 'epoch'), '9999-12-31Z'::timestamptz)) * 1000000)::bigint`

/** True of every row: it names the lists' indexes, which the claim must not take for its own. */
export const IS_LISTED = `created_at >= '-infinity'`

const ID_PREFIX = 'task_'

/** What an id may continue with: nothing else is looked for, and nothing of it means anything to `like` but `_`. */
const ID_START = /^task_[A-Za-z0-9]{0,45}$/

/** The longest id there is, and behind every other that begins alike. */
const LAST = 'z'.repeat(46)

/**
 * Ids tell the time of their maker's clock, a moment before their rows are written. Of very many that begin alike, those
 * of a process whose clock is off by more are not met, until they are few. All rows of this time are read, so more would
 * cost more.
 */
const CLOCK_SLACK_MS = 5 * 60_000

/** Whether ids can begin with this at all; `some` must be counted. */
export function matchIds(q: string): 'none' | 'all' | 'some' {
  if (ID_PREFIX.startsWith(q)) return 'all'
  return ID_START.test(q) ? 'some' : 'none'
}

/** Collects the values of a statement; answers their placeholders. */
export class Values {
  readonly all: unknown[] = []

  add(value: unknown): string {
    return `$${this.all.push(value)}`
  }
}

/**
 * The conditions of a list, one for each index range that it reads: a status, or a status of a type. Their rows are
 * disjoint, and each range is in the order of the list, so that they need only be merged, at any depth. `running` is the
 * exception: the few that run are found by their own index and sorted.
 *
 * The collation of task ids is the database's. Between two ids of letters and digits it may order as it likes; the
 * bounds enclose all that begin alike wherever `z` is the last letter, and `usesIdBounds` says whether it is.
 */
export function branchesOf(
  filter: TaskFilter,
  values: Values,
  search: { ids: IdMatch; usesIdBounds: boolean },
  after?: ListPosition,
): string[] {
  const { q, taskType, status } = filter
  const statuses = TASK_STATUSES.filter((one) => !status || status.length === 0 || status.includes(one))
  const bounds = boundsOf(filter, values, after)
  const ranges = (type: string | undefined, more = '') => {
    const ofType = type === undefined ? '' : ` and task_type = ${values.add(type)}`
    return statuses.map((one) => `status = '${one}'${ofType}${bounds}${more}`)
  }
  if (q === undefined || search.ids === 'all') return ranges(taskType)
  const byType = taskType === undefined || taskType === q ? ranges(q) : []
  if (search.ids === 'none') return byType
  const notByType = ` and task_type <> ${values.add(q)}`
  if (search.ids === 'many') {
    return [...byType, ...ranges(taskType, notByType + meets(q, values) + madeAbout(q, values))]
  }
  const ofType = taskType === undefined ? '' : ` and task_type = ${values.add(taskType)}`
  const byId = ` and ${startsWith(q, values, search.usesIdBounds)}${notByType}`
  // Together, because there are few: each range would be walked for them.
  return [...byType, `status = any(${values.add(statuses)}::text[])${ofType}${bounds}${byId}`]
}

/** The condition on the id alone. */
export function startsWith(q: string, values: Values, usesIdBounds: boolean): string {
  const prefix = values.add(q)
  const bounds = usesIdBounds ? ` and task_id >= ${prefix} and task_id <= ${prefix} || '${LAST}'` : ''
  return `starts_with(task_id, ${prefix})${bounds}`
}

/**
 * The same for a walk in the list's order. As a plain condition it would be looked up in the index of the ids, where the
 * planner, who takes id and time for independent, expects few, and all that are found would be sorted.
 */
function meets(q: string, values: Values): string {
  return ` and case when starts_with(task_id, ${values.add(q)}) then true end`
}

function boundsOf(filter: TaskFilter, values: Values, after?: ListPosition): string {
  const { createdAfter, createdBefore, createdBy } = filter
  // The predicate of the lists' own indexes.
  let text = ` and ${IS_LISTED}`
  if (createdBy !== undefined) text += ` and created_by = ${values.add(createdBy)}::text`
  if (createdAfter) text += ` and created_at >= ${values.add(createdAfter)}::timestamptz`
  if (createdBefore) text += ` and created_at < ${values.add(createdBefore)}::timestamptz`
  if (after) {
    const micros = values.add(after.createdAtMicros)
    text += ` and (created_at, id) < (timestamptz 'epoch' + ${micros}::bigint * interval '1 microsecond', ${values.add(after.id)}::bigint)`
  }
  return text
}

/**
 * When ids that begin so were made, by the 48 bits of milliseconds that each begins with; some minutes before and
 * after, because that was by the clock of a process.
 */
function madeAbout(q: string, values: Values): string {
  const digits = timeDigits(q)
  if (!/^[0-9a-f]{3,}$/.test(digits)) return ''
  const first = new Date(Number.parseInt(digits.padEnd(12, '0'), 16) - CLOCK_SLACK_MS)
  const last = new Date(Number.parseInt(digits.padEnd(12, 'f'), 16) + CLOCK_SLACK_MS)
  return ` and created_at >= ${values.add(first)}::timestamptz and created_at <= ${values.add(last)}::timestamptz`
}

/** Whether ids that begin so were all made within 66 seconds. */
export function tellsMinute(q: string): boolean {
  return /^[0-9a-f]{8,}$/.test(timeDigits(q))
}

const timeDigits = (q: string) => q.slice(ID_PREFIX.length, ID_PREFIX.length + 12)
