import { randomInt } from 'node:crypto'
import type { Database } from '../../db/database.ts'
import type { Hints } from '../create/manager-parts.ts'
import type { TaskEventMap, TaskEvents } from '../runtime/events.ts'
import { sendNotification } from '../store/notify.ts'

/** What processes tell each other. Hints: polling and heartbeats find all of it, only later. */
export type Notification =
  /** Without `tasks`: any number of them. */
  | { readonly kind: 'due'; readonly tasks?: DueTasks }
  /** One has changed, or this one was deleted. */
  | { readonly kind: 'schedules'; readonly deleted?: string }
  | { readonly kind: 'resumed' }
  | { readonly kind: 'cancelled'; readonly runs: readonly CancelledRun[] }

export interface DueTasks {
  readonly count: number
  /** Random: chooses the executors that claim them. */
  readonly seed: number
}

export interface CancelledRun {
  readonly taskId: string
  readonly attempt: number
}

/**
 * How often others hear of due tasks: a few times at once, then at this interval at most. Every NOTIFY takes a lock
 * that all commits share, and wakes everybody.
 */
const DUE_INTERVAL_MS = 10
const DUE_BURST = 5
/** So much earlier the commit of other tasks takes along what was gathered, rather than that it makes one of its own. */
const EARLY_MS = 5
/** The commit of more tasks than that takes longer than what was gathered need wait. */
const MAX_TO_TAKE_ALONG = 100

/** More tasks are any number: they wake every executor. */
const MAX_COUNT = 1_000_000

/** PostgreSQL takes 8,000 bytes a payload: this many ids and attempts at their longest. */
const MAX_RUNS = 128

export function encodeNotification(notification: Notification): string {
  if (notification.kind === 'due' && notification.tasks) {
    return `due ${notification.tasks.count} ${notification.tasks.seed}`
  }
  if (notification.kind === 'schedules' && notification.deleted !== undefined) {
    return `schedules deleted ${notification.deleted}`
  }
  if (notification.kind !== 'cancelled') return notification.kind
  return ['cancelled', ...notification.runs.map(({ taskId, attempt }) => `${taskId} ${attempt}`)].join(' ')
}

/** Undefined for what another version, or somebody else, said on the channel. */
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

export interface NotifierOptions {
  readonly db: Database
  readonly events: TaskEvents
  /** This process takes them at once by itself: nobody else need hear. */
  runsHere(taskTypes: readonly string[]): boolean
  /** This process runs the attempt by itself. */
  holds(taskId: string, attempt: number): boolean
}

/** Tells other processes what happened in this one. Hints of due tasks beyond what may be sent are gathered. */
export class Notifier implements Hints {
  readonly #options: NotifierOptions
  /** When the next hint of due tasks would leave if they came at the interval. Those of a burst leave before that. */
  #nextDue = 0
  #timer: NodeJS.Timeout | undefined
  /** Due tasks that are gathered for the next hint; Infinity: any number. */
  #gathered = 0
  #takenAlong = 0
  #cancelled: CancelledRun[] = []

  constructor(options: NotifierOptions) {
    this.#options = options
    options.events.on('created', this.#onCreated)
    options.events.on('cancelled', this.#onCancelled)
    options.events.on('cancelRequested', this.#onCancelled)
    options.events.on('schedulesChanged', this.#onSchedulesChanged)
    options.events.on('roomLeft', this.#onAnyDue)
    options.events.on('ended', this.#onEnded)
    options.events.on('rescued', this.#onAnyDue)
    options.events.on('orphansReleased', this.#onAnyDue)
    options.events.on('resumed', this.#onResumed)
  }

  take(taskTypes: readonly string[]): boolean {
    const takesAlong = this.#timer !== undefined && taskTypes.length <= MAX_TO_TAKE_ALONG
    if (this.#options.runsHere(taskTypes) || !this.#maySendDue(takesAlong ? EARLY_MS : 0)) return false
    // What was gathered was committed before.
    this.#takenAlong = this.#gathered
    if (takesAlong) this.#clearTimer()
    return true
  }

  get takenAlong(): number {
    return this.#takenAlong
  }

  giveBack(): void {
    this.#onAnyDue()
  }

  /** What was gathered leaves now. */
  stop(): void {
    if (this.#timer) this.#sendDue()
    this.#clearTimer()
    this.#options.events.off('created', this.#onCreated)
    this.#options.events.off('cancelled', this.#onCancelled)
    this.#options.events.off('cancelRequested', this.#onCancelled)
    this.#options.events.off('schedulesChanged', this.#onSchedulesChanged)
    this.#options.events.off('roomLeft', this.#onAnyDue)
    this.#options.events.off('ended', this.#onEnded)
    this.#options.events.off('rescued', this.#onAnyDue)
    this.#options.events.off('orphansReleased', this.#onAnyDue)
    this.#options.events.off('resumed', this.#onResumed)
  }

  readonly #onCreated = ({ dueNow, taskTypes, told }: TaskEventMap['created'][0]): void => {
    if (dueNow && !told && !this.#options.runsHere(taskTypes)) this.#onDue(taskTypes.length)
  }

  /** A stop gave it back: it is due. */
  readonly #onEnded = ({ outcome }: TaskEventMap['ended'][0]): void => {
    if (outcome === 'interrupted') this.#onAnyDue()
  }

  /** Rare, and urgent: every executor may have a slot for it. */
  readonly #onAnyDue = (): void => this.#onDue(Number.POSITIVE_INFINITY)

  #onDue(count: number): void {
    this.#gathered += count
    if (this.#timer) return
    if (this.#maySendDue()) this.#sendDue()
    else {
      const waitMs = Math.ceil(this.#nextDue - performance.now())
      this.#timer = setTimeout(() => {
        this.#timer = undefined
        this.#onDue(0)
      }, waitMs)
    }
  }

  #sendDue(): void {
    const count = this.#gathered
    this.#gathered = 0
    const isCounted = count <= MAX_COUNT
    this.#send(isCounted ? { kind: 'due', tasks: { count, seed: randomInt(MAX_COUNT) } } : { kind: 'due' })
  }

  #clearTimer(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#gathered = 0
  }

  #maySendDue(earlyMs = 0): boolean {
    const now = performance.now()
    const next = Math.max(this.#nextDue, now - (DUE_BURST - 1) * DUE_INTERVAL_MS)
    if (next > now + earlyMs) return false
    this.#nextDue = next + DUE_INTERVAL_MS
    return true
  }

  /** Those of one turn of the event loop go together: a bulk call may cancel a thousand. */
  readonly #onCancelled = (run: TaskEventMap['cancelled'][0]): void => {
    if (this.#options.holds(run.taskId, run.attempt)) return
    if (this.#cancelled.push(run) > 1) return
    queueMicrotask(() => {
      const all = this.#cancelled
      this.#cancelled = []
      for (let from = 0; from < all.length; from += MAX_RUNS) {
        this.#send({ kind: 'cancelled', runs: all.slice(from, from + MAX_RUNS) })
      }
    })
  }

  readonly #onSchedulesChanged = ({ schedule, deleted }: TaskEventMap['schedulesChanged'][0]): void =>
    this.#send({ kind: 'schedules', ...(deleted && { deleted: schedule }) })
  readonly #onResumed = (): void => this.#send({ kind: 'resumed' })

  #send(notification: Notification): void {
    // A hint that cannot be sent is not missed: the next poll, or heartbeat, finds what it was about.
    sendNotification(this.#options.db, encodeNotification(notification)).catch(() => {})
  }
}
