import type { TaskFilter } from '../../requests.ts'
import type { Query } from '../../state/route.ts'
import { TASK_STATUSES } from '../../statuses.ts'
import { decodeIds, encodeIds } from './picked-ids.ts'

/**
 * The list's filter in the URL: `view=tasks`, or `status` (repeatable), `type`, `q`, `group`, `ids`, `after`,
 * `before`, what no index finds, `sort` and `cursor`.
 */
export interface ListState {
  readonly filter: TaskFilter
  readonly cursor: string | undefined
}

const SORTS = ['ended', 'duration', 'waiting', 'attempts'] as const

/** By the names in the URL. */
const TEXTS = {
  type: 'taskType',
  q: 'q',
  group: 'errorGroup',
  by: 'createdBy',
  error: 'error',
  param: 'param',
  key: 'uniqueKey',
  executor: 'executorId',
} as const satisfies Record<string, keyof TaskFilter>

/** What no index finds. */
export const SEARCHED = ['error', 'param', 'uniqueKey', 'executorId'] as const satisfies (keyof TaskFilter)[]

/** Whether a call sees a part of the tasks only. */
export const isSearch = (filter: TaskFilter) =>
  filter.sort !== undefined || SEARCHED.some((name) => filter[name] !== undefined)

/** What makes no sense is as if it were not there: somebody may have typed it. */
export function readListState(params: URLSearchParams): ListState {
  const status = TASK_STATUSES.filter((one) => params.getAll('status').includes(one))
  const createdAfter = readInstant(params.get('after'))
  const createdBefore = readInstant(params.get('before'))
  const sort = SORTS.find((one) => one === params.get('sort'))
  const texts = Object.entries(TEXTS).flatMap(([name, field]) => {
    const text = params.get(name)
    return text ? [[field, text] as const] : []
  })
  const taskId = decodeIds(params.get('ids'))
  const filter = {
    ...(taskId ? { taskId } : {}),
    ...(status.length > 0 ? { status } : {}),
    ...Object.fromEntries(texts),
    ...(createdAfter ? { createdAfter } : {}),
    ...(createdBefore ? { createdBefore } : {}),
    ...(sort ? { sort } : {}),
  }
  return { filter, cursor: params.get('cursor') ?? undefined }
}

export function toQuery(filter: TaskFilter, cursor?: string): Query {
  const texts = Object.entries(TEXTS).map(([name, field]) => [name, filter[field]] as const)
  const query = {
    status: filter.status,
    ...Object.fromEntries(texts),
    ids: encodeIds(filter.taskId ?? []),
    after: filter.createdAfter?.toISOString(),
    before: filter.createdBefore?.toISOString(),
    sort: filter.sort,
    cursor,
  }
  const isWhole = Object.values(query).every((value) => !value?.length)
  return isWhole ? { view: 'tasks' } : query
}

export function readInstant(text: string | null): Date | undefined {
  const at = Date.parse(text ?? '')
  return Number.isNaN(at) ? undefined : new Date(at)
}
