import type { Database } from '../../db/database.ts'
import { probePayload } from '../../db/listener.ts'
import type { TypeFollowUp } from '../definition/follow-up.ts'
import type { Rescuer } from '../maintenance/rescuer.ts'
import type { Fleet } from '../notify/fleet.ts'
import type { TaskEvents } from '../runtime/events.ts'
import { WakeUp } from '../runtime/wake-up.ts'
import {
  type BeatProbes,
  type BeatResult,
  beat,
  type ExecutorRow,
  registerExecutor,
} from '../store/executors.ts'
import { runKey } from '../store/fence.ts'
import { registerFollowUps } from '../store/follow-ups.ts'
import type { Attempt } from './attempt/attempt.ts'
import { type ClockReading, DatabaseClock } from './database-clock.ts'
import type { Rest } from './rest.ts'
import type { Slots } from './slots.ts'

/** More intervals between two heartbeats are a gap. After shorter outages no executor seems dead: a lease has three. */
const LONGEST_GAP = 1.5

/** Slow probes take at most a fiftieth of the time, but run four times a lease: a transaction held open slows them. */
const PROBE_SHARE = 50
const CHEAP_MS = 10

export interface HeartbeatOptions {
  readonly db: Database
  readonly row: ExecutorRow
  readonly followUps: readonly TypeFollowUp[]
  readonly slots: Slots
  readonly events: TaskEvents
  readonly intervalMs: number
  readonly rest: Pick<Rest, 'isResting' | 'heartbeatIntervalMs'>
  onRegistered(): void
  onOrphans(): void
  readonly onBeat: Rescuer['noteBeat']
}

/**
 * Shows others that this executor lives, aborts its cancelled and lost attempts even when notifications fail, and
 * probes for orphaned claims and tasks of dead executors.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions
  readonly #wakeUp = new WakeUp()
  readonly #clock = new DatabaseClock()
  #registered = false
  #lastBeat = Number.NEGATIVE_INFINITY
  #lastBeatDate = 0
  #clockIsBehind = false
  #steadySince = Number.POSITIVE_INFINITY
  #nextProbe = 0
  #lastProbeMs = 0
  #tableBytes = 0
  /** It pauses for longer, as at rest. */
  #isLong = false
  #fleet: Fleet = { size: 1, position: 0 }

  constructor(options: HeartbeatOptions) {
    this.#options = options
  }

  /**
   * Others see this executor alive until a claim sent now has returned; otherwise they would rescue the task and run
   * it, too. The date also counts a machine's sleep.
   */
  get isVisible(): boolean {
    const ageMs = Math.max(performance.now() - this.#lastBeat, Date.now() - this.#lastBeatDate)
    return this.#registered && ageMs < this.#options.row.leaseMs / 2
  }

  get executorId(): string {
    return this.#options.row.executorId
  }

  /** Others may be judged by their heartbeats: for a lease, this executor's had no gap and the clock no jump. */
  get isSteady(): boolean {
    return performance.now() - this.#steadySince >= this.#options.row.leaseMs
  }

  get clockBehindMs(): number {
    return this.#clock.behindMs
  }

  get fleet(): Fleet {
    return this.#fleet
  }

  get tableBytes(): number {
    return this.#tableBytes
  }

  async loop(signal: AbortSignal, passed: () => void): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.beatOnce()
      } catch (error) {
        // The same outage may have silenced others.
        this.#steadySince = Number.POSITIVE_INFINITY
        this.#lastBeat = Number.NEGATIVE_INFINITY
        throw error
      }
      passed()
      await this.#pause(signal)
    }
  }

  /** The rest of the executor has ended. */
  noteActive(): void {
    if (this.#isLong) this.#wakeUp.notify()
  }

  async #pause(signal: AbortSignal): Promise<void> {
    const { intervalMs, rest } = this.#options
    const begun = performance.now()
    while (!signal.aborted) {
      const { isResting, heartbeatIntervalMs } = rest
      this.#isLong = isResting
      const leftMs = begun + (isResting ? heartbeatIntervalMs : intervalMs) - performance.now()
      if (leftMs <= 0) return
      await this.#wakeUp.wait(leftMs, signal)
    }
  }

  async beatOnce(): Promise<void> {
    if (!this.#registered) await this.#register()
    const attempts = this.#options.slots.attempts()
    const { probes, result } = await this.#send(attempts)
    this.#registered = result.known
    if (!result.known) await this.#register()
    this.#tableBytes = result.tableBytes
    this.#fleet = { size: result.fleetSize, position: result.fleetPosition }
    const [cancelled, lost] = [new Set(result.cancelled), new Set(result.lost)]
    for (const attempt of attempts) {
      const key = runKey(attempt.fence)
      if (cancelled.has(key)) attempt.abort('cancelled')
      if (lost.has(key)) attempt.abort('lost')
    }
    if (result.orphanedClaims) this.#options.onOrphans()
    const { expired, cancelRequests } = result
    const rescuable = probes.rescuable ? result.rescuable : undefined
    this.#options.onBeat({ rescuable, expired, cancelRequests })
  }

  async #register(): Promise<void> {
    const { db, followUps, row } = this.#options
    const sentAt = performance.now()
    // Before it claims: any process that fails a task of these types reads their follow-ups.
    await registerFollowUps(db, followUps)
    await registerExecutor(db, row)
    this.#registered = true
    this.#noteGap(sentAt)
    this.#noteBeat(sentAt)
    this.#options.onRegistered()
  }

  async #send(attempts: readonly Attempt[]): Promise<{ probes: BeatProbes; result: BeatResult }> {
    const { db, slots, rest } = this.#options
    const sentAt = performance.now()
    const sentOn = Date.now()
    this.#noteGap(sentAt)
    const isDue = sentAt >= this.#nextProbe
    const probes = { orphanedClaims: isDue, rescuable: isDue && this.isSteady }
    const result = await beat(
      db,
      this.executorId,
      attempts.map((attempt) => attempt.fence),
      slots.stuck,
      probes,
      // Saves the listener a statement of its own.
      rest.isResting ? probePayload(this.executorId) : null,
    )
    const receivedAt = performance.now()
    this.#noteClock(result, { sentAt, receivedAt })
    this.#noteBeat(sentAt, sentOn)
    if (isDue) this.#delayProbe(receivedAt - sentAt)
    return { probes, result }
  }

  /** The smaller of two costs, so that one short delay changes nothing. */
  #delayProbe(costMs: number): void {
    const cost = Math.min(costMs, this.#lastProbeMs)
    this.#lastProbeMs = costMs
    if (cost <= CHEAP_MS) return
    this.#nextProbe = performance.now() + Math.min(PROBE_SHARE * cost, this.#options.row.leaseMs / 4)
  }

  #noteGap(sentAt: number): void {
    if (sentAt - this.#lastBeat > LONGEST_GAP * this.#longestMs) this.#steadySince = sentAt
  }

  get #longestMs(): number {
    const { intervalMs, rest } = this.#options
    return Math.max(intervalMs, rest.heartbeatIntervalMs)
  }

  /** Counts from when it was sent: the database dated it no earlier. */
  #noteBeat(sentAt: number, sentOn = Date.now()): void {
    this.#lastBeat = sentAt
    this.#lastBeatDate = sentOn
  }

  /** After a jump, each other executor must send another heartbeat before it can be judged. */
  #noteClock({ at, latest }: BeatResult, times: Pick<ClockReading, 'sentAt' | 'receivedAt'>): void {
    const { gapMs, jumpMs } = this.#clock.read({ at, ...times }, latest ?? at)
    const hasJumped = Math.abs(jumpMs) > this.#options.intervalMs / 2
    if (hasJumped || gapMs > LONGEST_GAP * this.#longestMs) this.#steadySince = times.sentAt
    const behindMs = this.#clock.behindMs
    if (hasJumped || (behindMs > 0 && !this.#clockIsBehind)) {
      this.#options.events.emit('clockJumped', { byMs: hasJumped ? jumpMs : -behindMs, behindMs })
    }
    this.#clockIsBehind = behindMs > 0
  }
}
