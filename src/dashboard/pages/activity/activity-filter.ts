import type { Query } from '../../state/route.ts'
import { readInstant } from '../tasks/filter.ts'

export interface ActivityFilter {
  readonly actor?: string | undefined
  readonly action?: string | undefined
  readonly subject?: string | undefined
  readonly after?: Date | undefined
  readonly before?: Date | undefined
}

/** What the page shows, as the URL says it. What makes no sense is as if it were not there. */
export function readActivityState(params: URLSearchParams): {
  filter: ActivityFilter
  cursor: string | undefined
} {
  const text = (name: string) => params.get(name) || undefined
  const filter = {
    actor: text('actor'),
    action: text('action'),
    subject: text('subject'),
    after: readInstant(params.get('after')),
    before: readInstant(params.get('before')),
  }
  return { filter, cursor: text('cursor') }
}

export function toActivityQuery({ after, before, ...filter }: ActivityFilter, cursor?: string): Query {
  return {
    view: 'activity',
    ...filter,
    after: after?.toISOString(),
    before: before?.toISOString(),
    cursor,
  }
}
