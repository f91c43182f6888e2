import type { TaskFilter as GivenFilter } from '../../contract/given.ts'
import { TASK_STATUSES, type TaskStatus } from '../../contract/task.ts'

export interface TaskFilter extends Readonly<Omit<GivenFilter, 'status'>> {
  readonly status?: readonly TaskStatus[] | undefined
  /** These tasks alone. */
  readonly taskId?: readonly string[] | undefined
}

/** Where a page ends: microseconds since 1970, which a `Date` would round, and the row's id. */
export interface ListPosition {
  readonly createdAtMicros: string
  readonly id: string
}

/** Types whose names contain `q`; `many`: too many to walk the index of each. */
export type TypeMatch = readonly string[] | 'many'

/** What is known about `q` before the list is read. */
export interface IdSearch {
  readonly ids: IdMatch
  readonly usesIdBounds: boolean
  readonly types: TypeMatch
}

/**
 * How ids with the prefix `q` are found.
 * - `all`: every id has it.
 * - `few`: few enough to sort; found by the index of ids.
 * - `many`: found in list order, within the time encoded in the ids.
 * - `own`: of one creator that has few tasks; found in list order among all of them.
 */
export type IdMatch = 'none' | 'all' | 'few' | 'many' | 'own'

export const MICROS = (instant: string) =>
  `(extract(epoch from least(greatest(${instant}, 'epoch'), '9999-12-31Z'::timestamptz)) * 1000000)::bigint`

/** True of every row: selects the lists' partial indexes, which the claim must not use. */
export const IS_LISTED = `created_at >= '-infinity'`

const ID_PREFIX = 'task_'

/** What an id may consist of: no other prefix is searched, and `_` is its only wildcard of `like`. */
const ID_START = /^task_[A-Za-z0-9]{0,45}$/

/** The longest possible id, after all others with its prefix. */
const LAST = 'z'.repeat(46)

/** Ids contain their maker's clock: a search in list order misses larger deviations. */
const CLOCK_SLACK_MS = 5 * 60_000

export function matchIds(q: string): 'none' | 'all' | 'some' {
  if (ID_PREFIX.startsWith(q)) return 'all'
  return ID_START.test(q) ? 'some' : 'none'
}

export class Values {
  readonly all: unknown[] = []

  add(value: unknown): string {
    return `$${this.all.push(value)}`
  }
}

/**
 * Disjoint conditions, one per index range in list order, which are merged. The few running tasks are sorted. The
 * bounds enclose a prefix where `z` sorts last, which `usesIdBounds` checks. With a creator, its own index alone fits:
 * what others have neither costs time nor shows in it.
 */
export function branchesOf(
  filter: TaskFilter,
  values: Values,
  search: IdSearch,
  after?: ListPosition,
): string[] {
  const { q, taskType, status, createdBy, errorGroup } = filter
  const statuses = TASK_STATUSES.filter(
    (one) =>
      (!status || status.length === 0 || status.includes(one)) &&
      (errorGroup === undefined || one === 'failed'),
  )
  const bounds = boundsOf(filter, values, after)
  const ranges = (type: string | undefined, more = '') => {
    const isType = type === undefined ? '' : `task_type = ${values.add(type)}`
    const ofType = isType && (createdBy === undefined ? ` and ${isType}` : ` and ${opaque(isType)}`)
    return statuses.map((one) => `status = '${one}'${ofType}${bounds}${more}`)
  }
  if (q === undefined || search.ids === 'all') return ranges(taskType)
  const { byType, notByType } = typeRanges({ q, taskType, createdBy }, values, search.types, ranges)
  if (search.ids === 'none') return byType
  if (search.ids === 'many' || search.ids === 'own') {
    const time = search.ids === 'many' ? madeAbout(q, values) : ''
    const begins = opaque(`starts_with(task_id, ${values.add(q)})`)
    return [...byType, ...ranges(taskType, `${notByType} and ${begins}${time}`)]
  }
  const ofType = taskType === undefined ? '' : ` and task_type = ${values.add(taskType)}`
  const byId = ` and ${startsWith(q, values, search.usesIdBounds)}${notByType}`
  // Together: walking each range for a few matches would be slow.
  return [...byType, `status = any(${values.add(statuses)}::text[])${ofType}${bounds}${byId}`]
}

/** Those of the types whose names contain `q`, and what is true of all others. */
function typeRanges(
  { q, taskType, createdBy }: Pick<TaskFilter, 'taskType' | 'createdBy'> & { readonly q: string },
  values: Values,
  types: TypeMatch,
  ranges: (type: string | undefined, more?: string) => string[],
): { byType: string[]; notByType: string } {
  const contains = containsText('task_type', values.add(q))
  const notByType = ` and not ${contains}`
  if (taskType !== undefined) {
    const isOfType = taskType.toLowerCase().includes(q.toLowerCase())
    return { byType: isOfType ? ranges(taskType, ` and ${contains}`) : [], notByType }
  }
  const isWalked = types === 'many' || createdBy !== undefined
  const byType = isWalked
    ? ranges(undefined, ` and ${opaque(contains)}`)
    : types.flatMap((type) => ranges(type, ` and ${contains}`))
  return { byType, notByType }
}

/** Without regard to case. */
export const containsText = (column: string, part: string) => `(strpos(lower(${column}), lower(${part})) > 0)`

export function startsWith(q: string, values: Values, usesIdBounds: boolean): string {
  const prefix = values.add(q)
  const bounds = usesIdBounds ? ` and task_id >= ${prefix} and task_id <= ${prefix} || '${LAST}'` : ''
  return `starts_with(task_id, ${prefix})${bounds}`
}

/** As a plain condition the planner would use an index of it, expect few rows, and sort them all. */
function opaque(condition: string): string {
  return `case when ${condition} then true end`
}

function boundsOf(filter: TaskFilter, values: Values, after?: ListPosition): string {
  const { createdAfter, createdBefore, createdBy, errorGroup, taskId } = filter
  let text = ` and ${IS_LISTED}`
  if (errorGroup !== undefined) {
    const isOfGroup = `error_group = ${values.add(errorGroup)}`
    text += ` and ${createdBy === undefined ? isOfGroup : opaque(isOfGroup)}`
  }
  if (taskId !== undefined) {
    const isNamed = `task_id = any(${values.add(taskId)}::text[])`
    text += ` and ${createdBy === undefined ? isNamed : opaque(isNamed)}`
  }
  if (createdBy !== undefined) text += ` and created_by = ${values.add(createdBy)}::text`
  if (createdAfter) text += ` and created_at >= ${values.add(createdAfter)}::timestamptz`
  if (createdBefore) text += ` and created_at < ${values.add(createdBefore)}::timestamptz`
  if (after) {
    const micros = values.add(after.createdAtMicros)
    text += ` and (created_at, id) < (timestamptz 'epoch' + ${micros}::bigint * interval '1 microsecond', ${values.add(after.id)}::bigint)`
  }
  return text
}

/** Creation times of ids with this prefix, from their leading 48 bits of milliseconds, plus the clock slack. */
function madeAbout(q: string, values: Values): string {
  const digits = timeDigits(q)
  if (!/^[0-9a-f]{3,}$/.test(digits)) return ''
  const first = new Date(Number.parseInt(digits.padEnd(12, '0'), 16) - CLOCK_SLACK_MS)
  const last = new Date(Number.parseInt(digits.padEnd(12, 'f'), 16) + CLOCK_SLACK_MS)
  return ` and created_at >= ${values.add(first)}::timestamptz and created_at <= ${values.add(last)}::timestamptz`
}

export function tellsMinute(q: string): boolean {
  return /^[0-9a-f]{8,}$/.test(timeDigits(q))
}

const timeDigits = (q: string) => q.slice(ID_PREFIX.length, ID_PREFIX.length + 12)
