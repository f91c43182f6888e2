import { hostname } from 'node:os'
import type { Database } from '../../db/database.ts'
import type { TaskSettings } from '../definition/settings.ts'
import type { TaskDefinition } from '../definition/task.ts'
import type { Fleet } from '../notify/fleet.ts'
import type { TaskEvents } from '../runtime/events.ts'
import { pause } from '../runtime/wake-up.ts'
import { carryOutCancels } from '../store/cancel-requests.ts'
import {
  type BeatAnswer,
  beat,
  type ExecutorRow,
  forgetExecutors,
  registerExecutor,
} from '../store/executors.ts'
import { runKey } from '../store/fence.ts'
import { failUnknownTypes, rescueTasks } from '../store/rescue.ts'
import type { Attempt } from './attempt/attempt.ts'
import { type ClockReading, DatabaseClock } from './database-clock.ts'
import type { Slots } from './slots.ts'

/**
 * Heartbeats further apart than this many intervals are a gap. After an outage another executor may have been silent
 * for the outage and one interval before it: with a lease of at least three intervals, whoever saw a gap this short
 * cannot take it for dead.
 */
const LONGEST_GAP = 1.5

const FORGET_INTERVAL_MS = 3_600_000

/** How often tasks of unknown types are looked for, at most; more often where they are to fail soon. */
const UNKNOWN_TYPES_INTERVAL_MS = 60_000

/**
 * Looks at what runs and waits take no more than a fiftieth of the time, but for four of them in a lease: a transaction
 * held open makes them long.
 */
const THINNING = 50
const CHEAP_MS = 10

/** How an executor shows itself to others. */
export function describeExecutor(options: {
  executorId: string
  version: string
  settings: TaskSettings
  definitions: ReadonlyMap<string, TaskDefinition>
}): ExecutorRow {
  const { executorId, version, settings, definitions } = options
  return {
    executorId,
    host: hostname(),
    pid: process.pid,
    version,
    slots: settings.concurrency,
    // Read when it registers: types may join until the app is ready.
    get taskTypes() {
      return [...definitions.keys()]
    },
    leaseMs: settings.leaseMs,
  }
}

/**
 * Says that this executor lives, and learns which of its runs were cancelled or taken away: the one channel that
 * works whatever else is lost. Also rescues the tasks of dead executors, and fails those that no living executor can
 * run. Only an executor whose own
 * heartbeats went through for a whole lease judges others: one that was blind itself would judge its own outage.
 */
export class Heartbeat {
  readonly #db: Database
  readonly #row: ExecutorRow
  readonly #slots: Slots
  readonly #events: TaskEvents
  readonly #intervalMs: number
  readonly #unknownTypeGraceSeconds: number
  readonly #clock = new DatabaseClock()
  readonly #onRegistered: () => void
  readonly #onOrphans: () => void
  #registered = false
  #lastBeat = Number.NEGATIVE_INFINITY
  #lastBeatDate = 0
  #clockIsBehind = false
  #steadySince = Number.POSITIVE_INFINITY
  #lastForget = performance.now()
  #nextLook = 0
  #orphansSince: number | undefined
  #nextUnknownTypes = 0
  #lastLookMs = 0
  #tableBytes = 0
  #fleet: Fleet = { size: 1, position: 0 }

  constructor(options: {
    db: Database
    row: ExecutorRow
    slots: Slots
    events: TaskEvents
    intervalMs: number
    unknownTypeGraceSeconds: number
    onRegistered: () => void
    /** Rows may run under this executor's id that no attempt holds: the response to their claim was lost. */
    onOrphans: () => void
  }) {
    this.#db = options.db
    this.#row = options.row
    this.#slots = options.slots
    this.#events = options.events
    this.#intervalMs = options.intervalMs
    this.#unknownTypeGraceSeconds = options.unknownTypeGraceSeconds
    this.#onRegistered = options.onRegistered
    this.#onOrphans = options.onOrphans
  }

  /**
   * Others can see that this executor lives, and will see it until a claim sent now has been answered. Before the
   * first heartbeat, and when none has gone through for half a lease (an outage of its own, a process that was
   * paused), it must claim nothing: they would rescue it at once, and run it a second time. The date counts the time
   * that a machine sleeps, too.
   */
  get isVisible(): boolean {
    const ageMs = Math.max(performance.now() - this.#lastBeat, Date.now() - this.#lastBeatDate)
    return this.#registered && ageMs < this.#row.leaseMs / 2
  }

  get executorId(): string {
    return this.#row.executorId
  }

  /**
   * Others may be judged by their heartbeats: those of this executor have gone through for a lease, without a gap and
   * without a jump of the database's clock.
   */
  get isSteady(): boolean {
    return performance.now() - this.#steadySince >= this.#row.leaseMs
  }

  /** How far the database's clock is behind an instant that it had shown before, in milliseconds. */
  get clockBehindMs(): number {
    return this.#clock.behindMs
  }

  /** As of the last heartbeat. */
  get fleet(): Fleet {
    return this.#fleet
  }

  /** Of the table of tasks, as of the last heartbeat. */
  get tableBytes(): number {
    return this.#tableBytes
  }

  async loop(signal: AbortSignal, passed: () => void): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.beatOnce()
      } catch (error) {
        // Blind, however shortly: others may have been too.
        this.#steadySince = Number.POSITIVE_INFINITY
        this.#lastBeat = Number.NEGATIVE_INFINITY
        throw error
      }
      passed()
      await pause(this.#intervalMs, signal)
    }
  }

  async beatOnce(): Promise<void> {
    if (!this.#registered) await this.#register()
    const attempts = this.#slots.attempts()
    const answer = await this.#send(attempts)
    this.#registered = answer.known
    // Its row has vanished: others are to see at once that it lives.
    if (!answer.known) await this.#register()
    this.#tableBytes = answer.tableBytes
    this.#fleet = { size: answer.fleetSize, position: answer.fleetPosition }
    const [cancelled, lost] = [new Set(answer.cancelled), new Set(answer.lost)]
    for (const attempt of attempts) {
      const key = runKey(attempt.fence)
      if (cancelled.has(key)) attempt.abort('cancelled')
      if (lost.has(key)) attempt.abort('lost')
    }
    if (answer.strays) this.#onOrphans()
    if (answer.cancelRequests) {
      for (const run of await carryOutCancels(this.#db)) this.#events.emit('cancelled', run)
    }
    await this.#judge(answer)
  }

  async #register(): Promise<void> {
    const sentAt = performance.now()
    await registerExecutor(this.#db, this.#row)
    this.#registered = true
    this.#noteGap(sentAt)
    this.#noteBeat(sentAt)
    this.#onRegistered()
  }

  async #send(attempts: readonly Attempt[]): Promise<BeatAnswer> {
    const sentAt = performance.now()
    const sentOn = Date.now()
    this.#noteGap(sentAt)
    const strays = sentAt >= this.#nextLook
    const answer = await beat(
      this.#db,
      this.#row.executorId,
      attempts.map((attempt) => attempt.fence),
      this.#slots.stuck,
      { strays, others: strays && this.isSteady },
    )
    const answeredAt = performance.now()
    this.#noteClock(answer, { sentAt, answeredAt })
    this.#noteBeat(sentAt, sentOn)
    const cost = answeredAt - sentAt
    if (strays) this.#thinLooks(cost)
    return answer
  }

  /** Of two costs, so that a moment's delay counts for nothing; and never so long that a death stays unnoticed. */
  #thinLooks(costMs: number): void {
    const cost = Math.min(costMs, this.#lastLookMs)
    this.#lastLookMs = costMs
    if (cost <= CHEAP_MS) return
    this.#nextLook = performance.now() + Math.min(THINNING * cost, this.#row.leaseMs / 4)
  }

  #noteGap(sentAt: number): void {
    if (sentAt - this.#lastBeat > LONGEST_GAP * this.#intervalMs) this.#steadySince = sentAt
  }

  /** It counts from when it was sent: the database dated it no earlier. */
  #noteBeat(sentAt: number, sentOn = Date.now()): void {
    this.#lastBeat = sentAt
    this.#lastBeatDate = sentOn
  }

  /** After a jump of the clock, heartbeats that others sent before it say nothing until each has sent another one. */
  #noteClock({ at, latest }: BeatAnswer, times: Pick<ClockReading, 'sentAt' | 'answeredAt'>): void {
    const { gapMs, jumpMs } = this.#clock.read({ at, ...times }, latest ?? at)
    const hasJumped = Math.abs(jumpMs) > this.#intervalMs / 2
    if (hasJumped || gapMs > LONGEST_GAP * this.#intervalMs) this.#steadySince = times.sentAt
    const behindMs = this.#clock.behindMs
    if (hasJumped || (behindMs > 0 && !this.#clockIsBehind)) {
      this.#events.emit('clockJumped', { byMs: hasJumped ? jumpMs : -behindMs, behindMs })
    }
    this.#clockIsBehind = behindMs > 0
  }

  async #judge(answer: BeatAnswer): Promise<void> {
    if (!this.isSteady) return
    if (!answer.orphans) this.#orphansSince = undefined
    else {
      this.#orphansSince ??= performance.now()
      // An executor whose row was removed has time to make it again.
      const unlisted = performance.now() - this.#orphansSince >= this.#row.leaseMs
      const rescued = await rescueTasks(this.#db, this.executorId, { unlisted })
      if (rescued.length > 0) this.#events.emit('rescued', { tasks: rescued })
    }
    if (performance.now() >= this.#nextUnknownTypes) await this.#failUnknownTypes()
    if (performance.now() - this.#lastForget < FORGET_INTERVAL_MS) return
    await forgetExecutors(this.#db, this.#unknownTypeGraceSeconds)
    this.#lastForget = performance.now()
  }

  async #failUnknownTypes(): Promise<void> {
    const graceSeconds = this.#unknownTypeGraceSeconds
    const begun = performance.now()
    const failed = await failUnknownTypes(this.#db, this.#row.executorId, graceSeconds)
    const now = performance.now()
    const intervalMs = Math.min(UNKNOWN_TYPES_INTERVAL_MS, graceSeconds * 100)
    // Where some failed, there may be more than a call takes.
    this.#nextUnknownTypes = failed.length > 0 ? now : now + Math.max(intervalMs, THINNING * (now - begun))
    for (const task of failed) this.#events.emit('unknownTypeFailed', task)
  }
}
