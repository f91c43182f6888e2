import { TasksApiError } from '../../client/index.ts'
import { currentText, describeError } from '../i18n/text.ts'
import { queryClient } from './queries.ts'
import type { Query } from './route.ts'
import { Store } from './store.ts'

export interface Toast {
  readonly id: number
  readonly kind: 'done' | 'problem'
  readonly words: string
  /** What it is about. */
  readonly to?: Query | undefined
  /** Undoes what it reports. */
  readonly undo?: (() => void) | undefined
}

export const toasts = new Store<readonly Toast[]>([])

const DONE_MS = 4_000
/** With something to do: time to decide. */
const OFFER_MS = 12_000
const PROBLEM_MS = 10_000
let lastId = 0

export function notify(
  words: string,
  kind: Toast['kind'] = 'done',
  more: Pick<Toast, 'to' | 'undo'> = {},
): void {
  lastId += 1
  const toast = { id: lastId, kind, words, ...more }
  // A repeated message replaces the earlier one, unless that offers something: it is about other tasks.
  const isKept = (one: Toast) => one.words !== words || one.undo !== undefined || one.to !== undefined
  toasts.set([...toasts.value.filter(isKept).slice(-3), toast])
  const shownMs = more.undo || more.to ? OFFER_MS : kind === 'done' ? DONE_MS : PROBLEM_MS
  setTimeout(() => dismiss(toast.id), shownMs)
}

export function dismiss(id: number): void {
  toasts.set(toasts.value.filter((toast) => toast.id !== id))
}

/** Runs an action, and notifies the person when it fails. Resolves to undefined then. */
export async function attempt<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof TasksApiError)) throw error
    if (error.status !== 401) notify(describeError(error, currentText()), 'problem')
    return undefined
  }
}

/** As `attempt`, for what changes something on the server: all that is shown is read again. */
export async function change<T>(work: () => Promise<T>): Promise<T | undefined> {
  const done = await attempt(work)
  void queryClient.invalidateQueries()
  return done
}
