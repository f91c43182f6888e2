import type { Database } from '../../db/database.ts'
import { MAX_POLL_INTERVAL_MS } from '../definition/settings.ts'
import type { TaskEventMap, TaskEvents } from '../runtime/events.ts'
import { duePayload, sendNotification } from '../store/notify.ts'
import { NotifyLimiter } from './limiter.ts'
import { type CancelledRun, encodeNotification, fitsIntoPayload, MAX_RUNS } from './notifications.ts'

/** An announced due time covers later ones until so long before it: from then on, executors may have claimed for it. */
const COVERS_UNTIL_MS = 1_000

/** Due times that are later than the announced one are held so long; the earliest of them is sent. */
const HOLD_MS = 500

export interface NotifierOptions {
  readonly db: Database
  readonly events: TaskEvents
  /** Whether this process runs the attempt: then no other needs to be notified of its cancel. */
  holds(taskId: string, attempt: number): boolean
}

export class Notifier {
  readonly limiter = new NotifyLimiter((count) => this.#send(duePayload(count)))
  /** Executors that read only recently due tasks would miss overdue ones. */
  readonly #rescans = new NotifyLimiter(() => this.#send(encodeNotification({ kind: 'rescan' })))
  readonly #later = new NotifyLimiter(() => this.#sendLater())
  readonly #options: NotifierOptions
  /** The earliest due time that has not been announced; `until`: when it stops to cover later ones. */
  #delayed: { readonly dueAt: number; readonly until: number } | undefined
  /** The earliest that has been; `until` by `performance.now()`. */
  #announced = { dueAt: 0, until: 0 }
  #held: NodeJS.Timeout | undefined
  #cancelled: CancelledRun[] = []

  constructor(options: NotifierOptions) {
    const { events } = options
    this.#options = options
    const onAnyDue = () => this.limiter.notify(Number.POSITIVE_INFINITY)
    events.on('due', ({ count }) => this.limiter.notify(count))
    events.on('delayed', this.#onDelayed)
    events.on('capacityReleased', onAnyDue)
    events.on('rescued', onAnyDue)
    events.on('orphansReleased', onAnyDue)
    events.on('ended', ({ outcome }) => outcome === 'interrupted' && onAnyDue())
    events.on('cancelled', this.#onCancelled)
    events.on('cancelRequested', this.#onCancelled)
    events.on('schedulesChanged', ({ schedule, deleted }) =>
      this.#send(encodeNotification({ kind: 'schedules', ...(deleted && { deleted: schedule }) })),
    )
    events.on('resumed', () => this.#send(encodeNotification({ kind: 'rescan' })))
    events.on('created', this.#onOverdue)
    events.on('changed', this.#onOverdue)
  }

  stop(): void {
    this.limiter.flush()
    this.#rescans.flush()
    if (this.#held) this.#notifyLater()
    this.#later.flush()
  }

  readonly #onDelayed = ({ dueAt, inMs }: TaskEventMap['delayed'][0]): void => {
    // By then every executor has polled.
    if (inMs >= MAX_POLL_INTERVAL_MS) return
    if (!this.#delayed || dueAt < this.#delayed.dueAt)
      this.#delayed = { dueAt, until: performance.now() + inMs - COVERS_UNTIL_MS }
    if (this.#isAnnounced(dueAt)) this.#held ??= setTimeout(this.#notifyLater, HOLD_MS)
    else this.#notifyLater()
  }

  /**
   * Executors wake for an earlier due time, and then read this one. Those without the type of the earlier task may not
   * wake, so this one is sent later all the same.
   */
  #isAnnounced(dueAt: number): boolean {
    return performance.now() < this.#announced.until && this.#announced.dueAt <= dueAt
  }

  readonly #notifyLater = (): void => {
    clearTimeout(this.#held)
    this.#held = undefined
    this.#later.notify(1)
  }

  #sendLater(): void {
    const sent = this.#delayed
    if (!sent) return
    this.#delayed = undefined
    sendNotification(this.#options.db, encodeNotification({ kind: 'later', dueAt: sent.dueAt })).then(
      () => {
        if (!this.#isAnnounced(sent.dueAt)) this.#announced = sent
      },
      // It is not announced, so the next one is not held.
      () => {},
    )
  }

  readonly #onOverdue = ({ overdue = false }: { overdue?: boolean }): void => {
    if (overdue) this.#rescans.notify(1)
  }

  readonly #onCancelled = ({ taskId, attempt, reason }: TaskEventMap['cancelled'][0]): void => {
    // Expired tasks were pending: no process runs them.
    if (reason === 'expired' || this.#options.holds(taskId, attempt)) return
    // Its executor reads the cancel with its next heartbeat.
    if (!fitsIntoPayload(taskId)) return
    const run: CancelledRun = { taskId, attempt }
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
    sendNotification(this.#options.db, payload).catch(() => {})
  }
}
