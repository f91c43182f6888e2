import type { Query } from '../../state/route.ts'
import { readInstant } from '../tasks/filter.ts'

export interface ActivityFilter {
  readonly actor?: string | undefined
  readonly action?: string | undefined
  readonly subject?: string | undefined
  readonly after?: Date | undefined
  readonly before?: Date | undefined
}

/** The page's filter in the URL. Values that make no sense are ignored. */
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
