import type { TaskFilter } from '../../requests.ts'
import type { Query } from '../../state/route.ts'
import { TASK_STATUSES } from '../../statuses.ts'

/** What the list shows, as the URL says it: `view=tasks`, or `status` (repeatable), `type`, `q`, `error`, `after`, `before`, `cursor`. */
export interface ListState {
  readonly filter: TaskFilter
  readonly cursor: string | undefined
}

/** What makes no sense is as if it were not there: somebody may have typed it. */
export function readListState(params: URLSearchParams): ListState {
  const status = TASK_STATUSES.filter((one) => params.getAll('status').includes(one))
  const taskType = params.get('type')
  const q = params.get('q')
  const errorGroup = params.get('error')
  const createdAfter = readInstant(params.get('after'))
  const createdBefore = readInstant(params.get('before'))
  const filter = {
    ...(status.length > 0 ? { status } : {}),
    ...(taskType ? { taskType } : {}),
    ...(q ? { q } : {}),
    ...(errorGroup ? { errorGroup } : {}),
    ...(createdAfter ? { createdAfter } : {}),
    ...(createdBefore ? { createdBefore } : {}),
  }
  return { filter, cursor: params.get('cursor') ?? undefined }
}

export function toQuery(filter: TaskFilter, cursor?: string): Query {
  const query = {
    status: filter.status,
    type: filter.taskType,
    q: filter.q,
    error: filter.errorGroup,
    after: filter.createdAfter?.toISOString(),
    before: filter.createdBefore?.toISOString(),
    cursor,
  }
  const isWhole = Object.values(query).every((value) => !value?.length)
  return isWhole ? { view: 'tasks' } : query
}

export function readInstant(text: string | null): Date | undefined {
  const at = Date.parse(text ?? '')
  return Number.isNaN(at) ? undefined : new Date(at)
}
