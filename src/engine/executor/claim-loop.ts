import { TaskError } from '../definition/errors.ts'
import type { TaskDefinition } from '../definition/task.ts'
import { persist } from '../runtime/persist.ts'
import type { WakeUp } from '../runtime/wake-up.ts'
import type { ClaimedTask } from '../store/claim.ts'
import { type Fence, runKey } from '../store/fence.ts'
import { releaseTask } from '../store/finish.ts'
import { endOrphanedStops, releaseAllBut } from '../store/rescue.ts'
import { Attempt, type AttemptServices } from './attempt/attempt.ts'
import type { Claimed, Claimer } from './claimer.ts'
import type { Rest } from './rest.ts'
import type { Slots } from './slots.ts'

/** First pause before a claim that may have skipped locked rows is repeated; it doubles each time. */
const SOON_MS = 2
const MAX_SOON_MS = 64

/** A claim waits twice as long as one takes for outcomes, within these bounds: one of them may wait for a lock. */
const MIN_FILL_MS = 10
const MAX_FILL_MS = 100

const NOTHING: Claimed = { tasks: [], next: 'later', isIdle: false }

/** Measured: larger claims are not faster. */
const MAX_BATCH = 500

type Run = Pick<Fence, 'taskId' | 'attempt'>

export interface ClaimLoopParts {
  readonly executorId: string
  readonly definitions: ReadonlyMap<string, TaskDefinition>
  readonly services: AttemptServices
  readonly slots: Slots
  readonly claimer: Claimer
  readonly wakeUp: WakeUp
  readonly pollIntervalMs: number
  readonly rest: Pick<Rest, 'idlePollIntervalMs' | 'isListening'>
  /** Others see this executor alive; otherwise they would rescue what it claims. */
  isVisible(): boolean
  onDispatched(): void
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
      const begun = performance.now()
      const { tasks, next, isIdle } = await this.#claim(limit)
      const fillMs = Math.max(MIN_FILL_MS, 2 * (performance.now() - begun))
      passed()
      if (next === 'now') await slots.fill(tasks, Math.min(fillMs, MAX_FILL_MS))
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
    else for (const task of fresh) this.#start(task)
  }

  #start(task: ClaimedTask): void {
    const { executorId, definitions, services, slots, onDispatched } = this.#parts
    const definition = definitions.get(task.taskType)
    if (!definition)
      throw new TaskError('UNKNOWN_TASK_TYPE', `claimed '${task.taskType}', which is not registered`)
    const attempt = new Attempt(task, definition, executorId, services)
    slots.take(attempt)
    if (this.#cancelled.has(runKey(task))) attempt.abort('cancelled')
    void this.#run(attempt)
    onDispatched()
  }

  async #run(attempt: Attempt): Promise<void> {
    const { slots, services } = this.#parts
    try {
      await attempt.run(() => this.#onReturned(attempt))
    } catch (error) {
      services.events.emit('writeFailed', { what: `the end of ${attempt.task.taskId}`, error })
    } finally {
      slots.release(attempt)
    }
  }

  /** Frees the slot before the write, unless others would take a limited type's slot or a log must be throttled. */
  #onReturned(attempt: Attempt): void {
    const { claimer, slots } = this.#parts
    if (attempt.isSilent && !claimer.freesPermit(attempt.task.taskType)) slots.vacate(attempt)
  }

  /** A failover may lose the claim of a held run; the next claim then has the same attempt number. */
  #isHeld({ taskId, attempt }: Run): boolean {
    const held = this.#parts.slots.find(taskId, attempt)
    held?.noteClaimedAgain()
    return held !== undefined
  }

  async #release({ taskId, taskType, attempt }: ClaimedTask): Promise<void> {
    const { executorId, services } = this.#parts
    const { db, events } = services
    try {
      await persist('a release', () => releaseTask(db, { taskId, attempt, executorId }, 0), services)
      events.emit('capacityReleased', { taskTypes: [taskType] })
    } catch (error) {
      events.emit('writeFailed', { what: `the release of ${taskId}`, error })
    }
  }

  /** Runs between two claims, when the held attempts are exactly the claimed ones. */
  async #releaseOrphans(): Promise<void> {
    if (!this.#hasOrphans) return
    const { executorId, services, slots, claimer } = this.#parts
    const { db, events } = services
    const held = slots.attempts().map((attempt) => attempt.fence)
    const taskIds = await releaseAllBut(db, executorId, held, 0)
    const taskTypes = await endOrphanedStops(db, executorId, held)
    this.#hasOrphans = false
    // A claim since then may have closed their types.
    if (taskIds.length > 0 || taskTypes.length > 0) claimer.recheck()
    if (taskIds.length > 0) events.emit('orphansReleased', { taskIds })
    if (taskTypes.length > 0) events.emit('capacityReleased', { taskTypes })
  }
}
