import type { Fence } from '../store/fence.ts'

/** Sent to all processes, the sender included. Any may be lost: polls and heartbeats find the same later. */
export type Notification =
  /** Tasks are due. Without `tasks`, in an unknown number, or a host's transaction has created delayed ones. */
  | { readonly kind: 'due'; readonly tasks?: DueTasks }
  /** A task will be due at `dueAt`, an instant of the database's clock in milliseconds. */
  | { readonly kind: 'later'; readonly dueAt: number }
  /** Schedules have changed; `deleted`: the name of one that is gone. */
  | { readonly kind: 'schedules'; readonly deleted?: string }
  /** Tasks became claimable whose due time is long over: those of a resumed type, created or changed ones. */
  | { readonly kind: 'rescan' }
  /** Their handlers are to stop. */
  | { readonly kind: 'cancelled'; readonly runs: readonly RunId[] }

export interface DueTasks {
  readonly count: number
  /** A random number that selects the executors that claim. */
  readonly seed: number
}

export type RunId = Pick<Fence, 'taskId' | 'attempt'>

/** PostgreSQL allows payloads of 8,000 bytes, which is enough for so many of the longest ids and attempts. */
export const MAX_RUNS = 128

/** False for ids with spaces or characters of several bytes, as in rows that others insert: they would break a payload. */
export function isPlainId(taskId: string): boolean {
  return /^[!-~]{1,50}$/.test(taskId)
}

/** All kinds but `due`: `store/notify.ts` encodes those, as inserts need them, and may not import this room. */
export function encodeNotification(notification: Exclude<Notification, { kind: 'due' }>): string {
  // Earlier versions of this library know it by this name.
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
