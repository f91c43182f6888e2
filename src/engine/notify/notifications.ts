import type { Fence } from '../store/fence.ts'

/** Notifications between processes. Any may be lost: polls and heartbeats find the same later. */
export type Notification =
  | { readonly kind: 'due'; readonly tasks?: DueTasks }
  /** A task will be due at `dueAt`, an instant of the database's clock in milliseconds. */
  | { readonly kind: 'later'; readonly dueAt: number }
  | { readonly kind: 'schedules'; readonly deleted?: string }
  /** Tasks are due that became so a while ago: of a type that was resumed, or created overdue. */
  | { readonly kind: 'rescan' }
  | { readonly kind: 'cancelled'; readonly runs: readonly CancelledRun[] }

export interface DueTasks {
  readonly count: number
  /** Random: selects the executors that claim. */
  readonly seed: number
}

export type CancelledRun = Pick<Fence, 'taskId' | 'attempt'>

/** PostgreSQL allows payloads of 8,000 bytes: this many of the longest ids and attempts. */
export const MAX_RUNS = 128

/** Rows that others insert may have ids with spaces or of several bytes per character: one such id would spoil its payload. */
export function fitsIntoPayload(taskId: string): boolean {
  return /^[!-~]{1,50}$/.test(taskId)
}

/** Excludes due tasks: `duePayload` encodes those, as inserts notify with their own commit. */
export function encodeNotification(notification: Exclude<Notification, { kind: 'due' }>): string {
  // The payload has the name that earlier versions know.
  if (notification.kind === 'rescan') return 'resumed'
  if (notification.kind === 'later') return `later ${Math.floor(notification.dueAt)}`
  if (notification.kind === 'schedules') {
    return notification.deleted === undefined ? 'schedules' : `schedules deleted ${notification.deleted}`
  }
  return ['cancelled', ...notification.runs.map(({ taskId, attempt }) => `${taskId} ${attempt}`)].join(' ')
}

/** Returns undefined for a payload of another version or application. */
export function decodeNotification(payload: string): Notification | undefined {
  if (payload === 'due' || payload === 'schedules') return { kind: payload }
  if (payload === 'resumed') return { kind: 'rescan' }
  const [, count, seed] = /^due (\d{1,9}) (\d{1,9})$/.exec(payload) ?? []
  if (count && seed) return { kind: 'due', tasks: { count: Number(count), seed: Number(seed) } }
  const [, dueAt] = /^later (\d{1,15})$/.exec(payload) ?? []
  if (dueAt) return { kind: 'later', dueAt: Number(dueAt) }
  const [, deleted] = /^schedules deleted ([\w.:-]{1,100})$/.exec(payload) ?? []
  if (deleted) return { kind: 'schedules', deleted }
  if (!/^cancelled( \S+ \d+)+$/.test(payload)) return undefined
  const pairs = [...payload.matchAll(/ (\S+) (\d+)/g)]
  const runs = pairs.map(([, taskId = '', attempt]) => ({ taskId, attempt: Number(attempt) }))
  return { kind: 'cancelled', runs }
}
