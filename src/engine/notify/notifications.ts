/** What processes notify each other of. None of it has to arrive: polls and heartbeats find all of it, only later. */
export type Notification =
  /** Without `tasks`: an unknown number of them. */
  | { readonly kind: 'due'; readonly tasks?: DueTasks }
  /** One has changed, or this one was deleted. */
  | { readonly kind: 'schedules'; readonly deleted?: string }
  | { readonly kind: 'resumed' }
  | { readonly kind: 'cancelled'; readonly runs: readonly CancelledRun[] }

export interface DueTasks {
  readonly count: number
  /** Random: selects the executors that claim. */
  readonly seed: number
}

export interface CancelledRun {
  readonly taskId: string
  readonly attempt: number
}

/** PostgreSQL takes payloads of up to 8,000 bytes: this many ids and attempts at their longest. */
export const MAX_RUNS = 128

/** Of due tasks `duePayload` makes it, for inserts notify with their own commit. */
export function encodeNotification(notification: Exclude<Notification, { kind: 'due' }>): string {
  if (notification.kind === 'resumed') return 'resumed'
  if (notification.kind === 'schedules') {
    return notification.deleted === undefined ? 'schedules' : `schedules deleted ${notification.deleted}`
  }
  return ['cancelled', ...notification.runs.map(({ taskId, attempt }) => `${taskId} ${attempt}`)].join(' ')
}

/** Undefined for a payload of another version of the engine, or of another application. */
export function decodeNotification(payload: string): Notification | undefined {
  if (payload === 'due' || payload === 'resumed' || payload === 'schedules') return { kind: payload }
  const [, count, seed] = /^due (\d{1,9}) (\d{1,9})$/.exec(payload) ?? []
  if (count && seed) return { kind: 'due', tasks: { count: Number(count), seed: Number(seed) } }
  const [, deleted] = /^schedules deleted ([\w.:-]{1,100})$/.exec(payload) ?? []
  if (deleted) return { kind: 'schedules', deleted }
  if (!/^cancelled( \S+ \d+)+$/.test(payload)) return undefined
  const pairs = [...payload.matchAll(/ (\S+) (\d+)/g)]
  const runs = pairs.map(([, taskId = '', attempt]) => ({ taskId, attempt: Number(attempt) }))
  return { kind: 'cancelled', runs }
}
