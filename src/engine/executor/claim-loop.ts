import type { Database } from '../../db/database.ts'
import type { TaskEvents } from '../runtime/events.ts'
import { persist } from '../runtime/persist.ts'
import type { WakeUp } from '../runtime/wake-up.ts'
import type { ClaimedTask } from '../store/claim.ts'
import { type Fence, runKey } from '../store/fence.ts'
import { releaseTask } from '../store/finish.ts'
import { releaseAllBut } from '../store/rescue.ts'
import type { Claimed, Claimer } from './claimer.ts'
import type { Rest } from './rest.ts'
import type { Slots } from './slots.ts'

/** First pause before a claim that may have skipped locked rows is repeated; it doubles each time. */
const SOON_MS = 2
const MAX_SOON_MS = 64

const NOTHING: Claimed = { tasks: [], next: 'later', isIdle: false }

/** Measured: larger claims are not faster. */
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
  readonly rest: Pick<Rest, 'idlePollIntervalMs' | 'isListening'>
  /** Others see this executor alive; otherwise they would rescue what it claims. */
  isVisible(): boolean
  dispatch(task: ClaimedTask, isCancelled: boolean): void
}

/** Decides when to claim, and dispatches claimed tasks. One claim is in flight at a time. */
export class ClaimLoop {
  readonly #parts: ClaimLoopParts
  /** Runs cancelled while a claim is in flight: its response may contain them. */
  readonly #cancelled = new Set<string>()
  #inFlight: Promise<unknown> | undefined
  #hasOrphans = false
  #isClosed = false

  constructor(parts: ClaimLoopParts) {
    this.#parts = parts
  }

  /** Claims at once while more tasks are likely, otherwise after the poll interval or a wake-up. */
  async loop(signal: AbortSignal, passed: () => void): Promise<void> {
    const { slots, wakeUp, claimer, pollIntervalMs, rest } = this.#parts
    let woken = false
    let soonMs = SOON_MS
    while (!signal.aborted) {
      await this.#releaseOrphans()
      const limit = Math.min(slots.free, MAX_BATCH)
      const { tasks, next, isIdle } = await this.#claim(limit)
      passed()
      if (next === 'now' && slots.free > 0) continue
      // Another claim may have locked the row that woke this one without claiming it.
      const mayBeHidden = woken && claimer.mayHideRows && limit > 0 && tasks.length < limit
      const isSoon = slots.free > 0 && (next === 'soon' || mayBeHidden)
      const intervalMs = isIdle && rest.isListening ? rest.idlePollIntervalMs : pollIntervalMs
      woken = await wakeUp.wait(isSoon ? Math.min(soonMs, intervalMs) : intervalMs, signal)
      soonMs = isSoon ? Math.min(2 * soonMs, MAX_SOON_MS) : SOON_MS
    }
  }

  noteOrphans(): void {
    this.#hasOrphans = true
    this.#parts.wakeUp.notify()
  }

  /** Called for a run that no attempt holds: its claim may be in flight. */
  noteCancel(run: Run): void {
    if (this.#inFlight) this.#cancelled.add(runKey(run))
  }

  close(): void {
    this.#isClosed = true
  }

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

  /** A failover may lose the claim of a held run; the next claim then has the same attempt number. */
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

  /** Runs between two claims, when the held attempts are exactly the claimed ones. */
  async #releaseOrphans(): Promise<void> {
    if (!this.#hasOrphans) return
    const { db, executorId, events, slots, claimer } = this.#parts
    const held = slots.attempts().map((attempt) => attempt.fence)
    const taskIds = await releaseAllBut(db, executorId, held, 0)
    this.#hasOrphans = false
    if (taskIds.length === 0) return
    // A claim since then may have closed their types.
    claimer.recheck()
    events.emit('orphansReleased', { taskIds })
  }
}
