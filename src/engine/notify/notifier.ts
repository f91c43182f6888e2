import type { Database } from '../../db/database.ts'
import { MAX_POLL_INTERVAL_MS } from '../definition/settings.ts'
import type { TaskEventMap, TaskEvents } from '../runtime/events.ts'
import { duePayload, sendNotification } from '../store/notify.ts'
import { NotifyLimiter } from './limiter.ts'
import { encodeNotification, isPlainId, MAX_RUNS, type RunId } from './notifications.ts'

/**
 * An announced due time covers later ones: the claim for it reads them. Not in the last second before it: a timer may fire
 * early, and its claim would not see what is created after it.
 */
const COVERS_UNTIL_MS = 1_000

/** Covered due times are held for at most this long; then the earliest of them is sent. */
const HOLD_MS = 500

export interface NotifierOptions {
  readonly db: Database
  readonly events: TaskEvents
  /** Whether this process runs the attempt: no other process needs a notification of its cancel then. */
  holds(taskId: string, attempt: number): boolean
}

/** Notifies other processes of what happens in this one. A notification that cannot be sent counts as lost. */
export class Notifier {
  /** Inserts that notify with their own commit take turns of it, too. */
  readonly dueLimiter = new NotifyLimiter((count) => this.#send(duePayload(count)))
  /** Makes executors read all due tasks: they may be reading recently due ones only (`executor/claim-horizon.ts`). */
  readonly #rescans = new NotifyLimiter(() => this.#send(encodeNotification({ kind: 'rescan' })))
  readonly #later = new NotifyLimiter(() => this.#sendLater())
  readonly #options: NotifierOptions
  /** The earliest due time that was not sent yet. `until`: by `performance.now()`, until when it covers later ones. */
  #unsent: { readonly dueAt: number; readonly until: number } | undefined
  /** The announced due time that covers later ones. */
  #covering = { dueAt: 0, until: 0 }
  #held: NodeJS.Timeout | undefined
  #cancelled: RunId[] = []

  constructor(options: NotifierOptions) {
    const { events } = options
    this.#options = options
    const notifyAll = () => this.dueLimiter.notify(Number.POSITIVE_INFINITY)
    events.on('due', ({ count }) => this.dueLimiter.notify(count))
    events.on('delayed', this.#onDelayed)
    events.on('capacityReleased', notifyAll)
    events.on('rescued', notifyAll)
    events.on('orphansReleased', notifyAll)
    events.on('ended', ({ outcome }) => outcome === 'interrupted' && notifyAll())
    events.on('cancelled', this.#onCancelled)
    events.on('cancelRequested', this.#onCancelled)
    events.on('schedulesChanged', ({ schedule, deleted }) =>
      this.#send(encodeNotification({ kind: 'schedules', ...(deleted && { deleted: schedule }) })),
    )
    events.on('resumed', () => this.#send(encodeNotification({ kind: 'rescan' })))
    events.on('created', this.#onOverdue)
    events.on('changed', this.#onOverdue)
  }

  /** Sends what is held, without waiting for the database. */
  flush(): void {
    this.dueLimiter.flush()
    this.#rescans.flush()
    if (this.#held) this.#notifyLater()
    this.#later.flush()
  }

  readonly #onDelayed = ({ dueAt, inMs }: TaskEventMap['delayed'][0]): void => {
    // Every executor polls before then, and reads this due time.
    if (inMs >= MAX_POLL_INTERVAL_MS) return
    if (!this.#unsent || dueAt < this.#unsent.dueAt)
      this.#unsent = { dueAt, until: performance.now() + inMs - COVERS_UNTIL_MS }
    if (this.#isCovered(dueAt)) this.#held ??= setTimeout(this.#notifyLater, HOLD_MS)
    else this.#notifyLater()
  }

  /**
   * Executors claim for the earlier due time that was announced, and read this one then. One without a type of that task
   * may have claimed since and forgotten it: so the earliest due time that is held is sent, too, and that covers the rest.
   */
  #isCovered(dueAt: number): boolean {
    return performance.now() < this.#covering.until && this.#covering.dueAt <= dueAt
  }

  readonly #notifyLater = (): void => {
    clearTimeout(this.#held)
    this.#held = undefined
    this.#later.notify(1)
  }

  #sendLater(): void {
    const sent = this.#unsent
    if (!sent) return
    this.#unsent = undefined
    sendNotification(this.#options.db, encodeNotification({ kind: 'later', dueAt: sent.dueAt })).then(
      () => {
        if (!this.#isCovered(sent.dueAt)) this.#covering = sent
      },
      // It covers nothing then: the next due time is sent at once.
      () => {},
    )
  }

  readonly #onOverdue = ({ overdue = false }: { overdue?: boolean }): void => {
    if (overdue) this.#rescans.notify(1)
  }

  readonly #onCancelled = ({ taskId, attempt, wasPending }: TaskEventMap['cancelled'][0]): void => {
    if (wasPending || this.#options.holds(taskId, attempt)) return
    // The executor that runs it reads the cancel with its next heartbeat.
    if (!isPlainId(taskId)) return
    const run: RunId = { taskId, attempt }
    if (this.#cancelled.push(run) > 1) return
    // A bulk cancel emits up to a thousand events in one turn of the event loop.
    queueMicrotask(() => {
      const all = this.#cancelled
      this.#cancelled = []
      for (let from = 0; from < all.length; from += MAX_RUNS) {
        this.#send(encodeNotification({ kind: 'cancelled', runs: all.slice(from, from + MAX_RUNS) }))
      }
    })
  }

  #send(payload: string): void {
    // Nothing depends on it: other processes poll.
    sendNotification(this.#options.db, payload).catch(() => {})
  }
}
