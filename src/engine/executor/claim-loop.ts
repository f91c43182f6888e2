import type { Database } from '../../db/database.ts'
import type { TaskEvents } from '../runtime/events.ts'
import { persist } from '../runtime/persist.ts'
import type { WakeUp } from '../runtime/wake-up.ts'
import type { ClaimedTask } from '../store/claim.ts'
import { type Fence, runKey } from '../store/fence.ts'
import { releaseTask } from '../store/finish.ts'
import { releaseAllBut } from '../store/rescue.ts'
import type { Claimed, Claimer } from './claimer.ts'
import type { Slots } from './slots.ts'

/** First pause before a claim is repeated that another claim may have kept from rows; it doubles each time. */
const SOON_MS = 2
const MAX_SOON_MS = 64

const NOTHING: Claimed = { tasks: [], next: 'later' }

/** Rows that one claim takes at most: where the measured throughput stops rising. */
const MAX_BATCH = 500

type Run = Pick<Fence, 'taskId' | 'attempt'>

export interface ClaimLoopParts {
  readonly db: Database
  readonly executorId: string
  readonly events: TaskEvents
  readonly giveUp: AbortSignal
  readonly slots: Slots
  readonly claimer: Claimer
  readonly wakeUp: WakeUp
  readonly pollIntervalMs: number
  /** Whether other executors see this one alive: what an invisible one claims would be rescued at once. */
  isVisible(): boolean
  /** Starts the attempt. `isCancelled`: the task was cancelled while its claim was in flight. */
  dispatch(task: ClaimedTask, isCancelled: boolean): void
}

/** Decides when to claim, and dispatches what it claimed. One claim is in flight at a time. */
export class ClaimLoop {
  readonly #parts: ClaimLoopParts
  /** Runs cancelled while a claim is in flight: the response may contain them. */
  readonly #cancelled = new Set<string>()
  #inFlight: Promise<unknown> | undefined
  /** A heartbeat saw rows that run under this executor's id, and no attempt holds them. */
  #hasOrphans = false
  #isClosed = false

  constructor(parts: ClaimLoopParts) {
    this.#parts = parts
  }

  /**
   * Claims at once while more tasks are likely, otherwise after the poll interval, a wake-up or a freed slot. Never asks
   * for more than the free slots. An error ends the loop; the supervisor restarts it with a back-off.
   */
  async loop(signal: AbortSignal, passed: () => void): Promise<void> {
    const { slots, wakeUp, claimer, pollIntervalMs } = this.#parts
    let woken = false
    let soonMs = SOON_MS
    while (!signal.aborted) {
      await this.#releaseOrphans()
      const limit = Math.min(slots.free, MAX_BATCH)
      const { tasks, next } = await this.#claim(limit)
      passed()
      if (next === 'now' && slots.free > 0) continue
      // Another claim may have locked the row that the wake-up was for, without taking it: claim once more.
      const mayBeHidden = woken && claimer.mayHideRows && limit > 0 && tasks.length < limit
      const isSoon = slots.free > 0 && (next === 'soon' || mayBeHidden)
      woken = await wakeUp.wait(isSoon ? Math.min(soonMs, pollIntervalMs) : pollIntervalMs, signal)
      soonMs = isSoon ? Math.min(2 * soonMs, MAX_SOON_MS) : SOON_MS
    }
  }

  noteOrphans(): void {
    this.#hasOrphans = true
    this.#parts.wakeUp.notify()
  }

  /** For a run that no attempt holds: the response that contains it may be in flight. */
  noteCancel(run: Run): void {
    if (this.#inFlight) this.#cancelled.add(runKey(run))
  }

  /** From now on claimed tasks are released instead of started. */
  close(): void {
    this.#isClosed = true
  }

  /** Resolves when no claim is in flight. */
  async whenIdle(): Promise<void> {
    await this.#inFlight?.catch(() => {})
  }

  async #claim(limit: number): Promise<Claimed> {
    const { claimer, isVisible } = this.#parts
    if (limit <= 0 || !isVisible()) return NOTHING
    const claim = claimer.claim(limit).then(async (claimed) => {
      await this.#dispatch(claimed.tasks)
      return claimed
    })
    this.#inFlight = claim
    try {
      return await claim
    } finally {
      this.#inFlight = undefined
      this.#cancelled.clear()
    }
  }

  async #dispatch(tasks: readonly ClaimedTask[]): Promise<void> {
    const fresh = tasks.filter((task) => !this.#isHeld(task))
    if (this.#isClosed) await Promise.all(fresh.map((task) => this.#release(task)))
    else for (const task of fresh) this.#parts.dispatch(task, this.#cancelled.has(runKey(task)))
  }

  /** A failover may lose the claim of a run that is held here, and give the next claim the same attempt number. */
  #isHeld({ taskId, attempt }: Run): boolean {
    const held = this.#parts.slots.find(taskId, attempt)
    held?.noteClaimedAgain()
    return held !== undefined
  }

  async #release({ taskId, taskType, attempt }: ClaimedTask): Promise<void> {
    const { db, executorId, events } = this.#parts
    try {
      await persist('a release', () => releaseTask(db, { taskId, attempt, executorId }, 0), this.#parts)
      events.emit('capacityReleased', { taskTypes: [taskType] })
    } catch (error) {
      events.emit('writeFailed', { what: `the release of ${taskId}`, error })
    }
  }

  /** Runs between two claims, when the attempts that this executor holds are exactly those it claimed. */
  async #releaseOrphans(): Promise<void> {
    if (!this.#hasOrphans) return
    const { db, executorId, events, slots } = this.#parts
    const held = slots.attempts().map((attempt) => attempt.fence)
    const taskIds = await releaseAllBut(db, executorId, held, 0)
    this.#hasOrphans = false
    if (taskIds.length > 0) events.emit('orphansReleased', { taskIds })
  }
}
