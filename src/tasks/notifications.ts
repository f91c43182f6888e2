import type { Database } from '../db/database.ts'
import type { TaskEventMap, TaskEvents } from './events.ts'
import { sendNotification } from './store/notify.ts'

/** What processes tell each other. Hints: polling and heartbeats find all of it, only later. */
export type Notification =
  | { readonly kind: 'due' }
  | { readonly kind: 'schedules' }
  | { readonly kind: 'cancelled'; readonly taskId: string; readonly attempt: number }

/** Several hints of new tasks within this time become one: every NOTIFY takes a lock that all commits share. */
const COALESCE_MS = 20

export function encodeNotification(notification: Notification): string {
  if (notification.kind !== 'cancelled') return notification.kind
  return `cancelled ${notification.taskId} ${notification.attempt}`
}

/** Undefined for what another version, or somebody else, said on the channel. */
export function decodeNotification(payload: string): Notification | undefined {
  if (payload === 'due' || payload === 'schedules') return { kind: payload }
  const [, taskId, attempt] = /^cancelled (\S+) (\d+)$/.exec(payload) ?? []
  return taskId === undefined ? undefined : { kind: 'cancelled', taskId, attempt: Number(attempt) }
}

export interface NotifierOptions {
  readonly db: Database
  readonly events: TaskEvents
  /** This process takes them at once by itself: nobody else need hear. */
  runsHere(taskTypes: readonly string[]): boolean
  /** This process runs the attempt by itself. */
  holds(taskId: string, attempt: number): boolean
}

/** Tells other processes what happened in this one. The first hint leaves at once, later ones are gathered. */
export class Notifier {
  readonly #options: NotifierOptions
  #timer: NodeJS.Timeout | undefined
  #again = false

  constructor(options: NotifierOptions) {
    this.#options = options
    options.events.on('created', this.#onCreated)
    options.events.on('cancelled', this.#onCancelled)
    options.events.on('schedulesChanged', this.#onSchedulesChanged)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#options.events.off('created', this.#onCreated)
    this.#options.events.off('cancelled', this.#onCancelled)
    this.#options.events.off('schedulesChanged', this.#onSchedulesChanged)
  }

  readonly #onCreated = ({ dueNow, taskTypes }: TaskEventMap['created'][0]): void => {
    if (!dueNow || this.#options.runsHere(taskTypes)) return
    if (this.#timer) {
      this.#again = true
      return
    }
    this.#send({ kind: 'due' })
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      if (this.#again) this.#send({ kind: 'due' })
      this.#again = false
    }, COALESCE_MS)
  }

  readonly #onCancelled = ({ taskId, attempt }: TaskEventMap['cancelled'][0]): void => {
    if (!this.#options.holds(taskId, attempt)) this.#send({ kind: 'cancelled', taskId, attempt })
  }

  readonly #onSchedulesChanged = (): void => this.#send({ kind: 'schedules' })

  #send(notification: Notification): void {
    // A hint that cannot be sent is not missed: the next poll, or heartbeat, finds what it was about.
    sendNotification(this.#options.db, encodeNotification(notification)).catch(() => {})
  }
}
