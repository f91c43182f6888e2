import { useMemo } from 'react'
import { HAS_LOGIN } from '../settings.ts'
import { hasPlace, keepPlace } from './place.ts'
import { Store, useStore } from './store.ts'

/**
 * The URL is the state of the page: what a person sees can be bookmarked and sent. All of it is in the query, so that
 * the page is one address to the server, wherever it is mounted.
 */
const search = new Store(location.search)

let moves = 0

/** False on the page that the browser has loaded: there the focus is where the browser put it. */
export const hasMoved = () => moves > 0

search.subscribe(() => {
  moves += 1
})
window.addEventListener('popstate', () => {
  if (!hasPlace()) scrollTo(0, 0)
  search.set(location.search)
})

export type View =
  | 'overview'
  | 'tasks'
  | 'task'
  | 'new'
  | 'errors'
  | 'types'
  | 'executors'
  | 'schedules'
  | 'activity'
  | 'account'

const VIEWS = [
  'overview',
  'tasks',
  'new',
  'errors',
  'types',
  'executors',
  'schedules',
  'activity',
  'account',
] as const
/** What a list shows. */
const OF_LISTS = [
  'status',
  'type',
  'q',
  'ids',
  'group',
  'by',
  'error',
  'param',
  'key',
  'executor',
  'after',
  'before',
  'sort',
  'cursor',
]

export interface Route {
  readonly view: View
  readonly params: URLSearchParams
}

export type Query = Record<string, string | readonly string[] | null | undefined>

export function useRoute(): Route {
  const text = useStore(search)
  return useMemo(() => parseRoute(text), [text])
}

export function parseRoute(text: string): Route {
  const params = new URLSearchParams(text)
  if (params.has('task')) return { view: 'task', params }
  const named = params.get('view')
  // Where the host logs people in, they have no account here.
  const view = VIEWS.find((one) => one === named && (one !== 'account' || HAS_LOGIN))
  return { view: view ?? (OF_LISTS.some((name) => params.has(name)) ? 'tasks' : 'overview'), params }
}

/** An address of this page. Null, undefined and empty values are left out. */
export function href(query: Query): string {
  const params = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    for (const one of [value].flat()) if (one) params.append(name, one)
  }
  const text = params.toString()
  return text === '' ? location.pathname : `?${text}`
}

export function go(query: Query, options: { replace?: boolean; state?: unknown } = {}): void {
  const url = href(query)
  if (options.replace) history.replaceState(options.state ?? history.state, '', url)
  else {
    keepPlace()
    history.pushState(options.state ?? null, '', url)
    scrollTo(0, 0)
  }
  search.set(location.search)
}
