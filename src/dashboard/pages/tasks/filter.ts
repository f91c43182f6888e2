import type { TaskFilter } from '../../api.ts'
import type { Query } from '../../state/route.ts'

/** What the list shows, as the URL says it: `status` (repeatable), `type`, `q`, `after`, `before`, `cursor`. */
export interface ListState {
  readonly filter: TaskFilter
  readonly cursor: string | undefined
}

export function readListState(params: URLSearchParams): ListState {
  const filter: TaskFilter = {}
  const status = params.getAll('status').filter((one) => one !== '')
  if (status.length > 0) filter.status = status
  const fields = { taskType: 'type', q: 'q', createdAfter: 'after', createdBefore: 'before' } as const
  for (const [field, name] of Object.entries(fields) as [keyof typeof fields, string][]) {
    const value = params.get(name)
    if (value) filter[field] = value
  }
  return { filter, cursor: params.get('cursor') ?? undefined }
}

export function toQuery(filter: TaskFilter, cursor?: string): Query {
  return {
    status: filter.status,
    type: filter.taskType,
    q: filter.q,
    after: filter.createdAfter,
    before: filter.createdBefore,
    cursor,
  }
}
