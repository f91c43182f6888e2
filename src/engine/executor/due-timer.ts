import { claimInstant, type Fleet } from '../notify/fleet.ts'
import type { ClockReading } from './database-clock.ts'

/** What a claim has read of the database's clock, in milliseconds. */
export interface ClaimReading extends ClockReading {
  /** The due time of the next task; null: none. Undefined: not read. */
  readonly nextDueAt: number | null | undefined
}

export interface DueTimerOptions {
  readonly pollIntervalMs: number
  fleet(): Fleet
  /** When this executor claims what is due at an instant. Default: as delayed tasks. */
  readonly instantOf?: typeof claimInstant
  /** Tasks may be due. */
  onDue(): void
}

/** Clocks drift apart: a longer delay ends this share early, and the claim then reads the rest of it. */
const DRIFT = 0.02
const LONG_MS = 10_000

/** Polls read the next due time again long before: a timer's range is 2^31 ms. */
const FAR_MS = 3_600_000

/**
 * Wakes the claim loop when the next task is due. Claims read the due time, and notifications report earlier ones. It
 * is an instant of the database's clock, mapped to this process's monotonic clock. A timer that fires too early costs
 * one claim, which reads the rest of the delay. Claims read future due times only: tasks that are due and cannot start,
 * as of a paused type, wake nobody.
 */
export class DueTimer {
  readonly #options: DueTimerOptions
  /** The database's clock minus `performance.now()`; undefined before the first claim. */
  #offset: number | undefined
  /** By `performance.now()`. */
  #wakeAt = Number.POSITIVE_INFINITY
  /** The earliest that was noted since the last claim was sent: that claim may not have seen the task. */
  #notedAt = Number.POSITIVE_INFINITY
  /** The same of due times, by the database's clock: the first claim's response makes known what they are here. */
  #notedDueAt = Number.POSITIVE_INFINITY
  #timer: NodeJS.Timeout | undefined
  #isClosed = false
  #hasFired = false

  constructor(options: DueTimerOptions) {
    this.#options = options
  }

  /** Whether it has fired since the last call. */
  takeFired(): boolean {
    const hasFired = this.#hasFired
    this.#hasFired = false
    return hasFired
  }

  /** A claim is about to be sent: it reads all due times that were noted before. */
  noteClaimSent(): void {
    this.#forgetNoted()
  }

  /** A claim has read the next due time. */
  noteReading({ sentAt, receivedAt, at, nextDueAt }: ClaimReading): void {
    // The clock was read between the two: the known offset stays if it lies within, so that slow claims spoil nothing.
    const [least, most] = [at - receivedAt, at - sentAt]
    this.#offset = Math.max(least, Math.min(this.#offset ?? most, most))
    if (nextDueAt === undefined) return
    const dueAt = Math.min(this.#notedDueAt, nextDueAt ?? Number.POSITIVE_INFINITY)
    this.#wakeAt = Math.min(this.#notedAt, this.#localOf(dueAt))
    this.#arm()
  }

  /** The database's clock, as far as it is known. */
  get databaseNow(): number {
    return performance.now() + (this.#offset ?? Number.NEGATIVE_INFINITY)
  }

  /** A task will be due then, by the database's clock. */
  note(dueAt: number): void {
    this.#notedDueAt = Math.min(this.#notedDueAt, dueAt)
    this.#wakeBy(this.#localOf(dueAt))
  }

  /** Other executors are to claim tasks that are due: they may have no free slot. */
  noteElsewhere(): void {
    const { fleet, pollIntervalMs } = this.#options
    const { size, position } = fleet()
    const wakeAt = performance.now() + (pollIntervalMs / 2) * (1 + position / size)
    this.#notedAt = Math.min(this.#notedAt, wakeAt)
    this.#wakeBy(wakeAt)
  }

  close(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
  }

  #forgetNoted(): void {
    this.#notedAt = Number.POSITIVE_INFINITY
    this.#notedDueAt = Number.POSITIVE_INFINITY
  }

  #wakeBy(wakeAt: number): void {
    if (wakeAt >= this.#wakeAt) return
    this.#wakeAt = wakeAt
    this.#arm()
  }

  /** Before the first claim's response: never. */
  #localOf(dueAt: number): number {
    const { fleet, pollIntervalMs, instantOf = claimInstant } = this.#options
    if (this.#offset === undefined || dueAt === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY
    const delayMs = instantOf(fleet(), dueAt, pollIntervalMs) - this.#offset - performance.now()
    return performance.now() + (delayMs > LONG_MS ? delayMs * (1 - DRIFT) : delayMs)
  }

  #arm(): void {
    clearTimeout(this.#timer)
    const ms = this.#wakeAt - performance.now()
    if (this.#isClosed || !(ms < FAR_MS)) return
    // Timers may fire a part of a millisecond early.
    this.#timer = setTimeout(() => this.#fire(), Math.max(1, Math.ceil(ms)))
  }

  #fire(): void {
    this.#wakeAt = Number.POSITIVE_INFINITY
    this.#forgetNoted()
    this.#hasFired = true
    this.#options.onDue()
  }
}
