import type { Database } from '../../db/database.ts'
import type { TaskEvents } from '../runtime/events.ts'
import { persist } from '../runtime/persist.ts'
import type { ClaimedTask } from '../store/claim.ts'
import { type Fence, runKey } from '../store/fence.ts'
import { releaseTask } from '../store/finish.ts'

/** A run that this executor holds. */
export interface HeldRun {
  noteClaimedAgain(): void
}

export interface IntakeParts {
  readonly db: Database
  readonly executorId: string
  readonly context: { events: TaskEvents; giveUp: AbortSignal }
  findHeld(run: Pick<Fence, 'taskId' | 'attempt'>): HeldRun | undefined
  /** `isCancelled`: while the answer to its claim was under way. */
  start(task: ClaimedTask, isCancelled: boolean): void
  /** Its claim was answered after the stop had begun. */
  onHandedBack(task: ClaimedTask): void
}

/**
 * Where claimed tasks come in. While the answer to a claim is under way, nobody knows what the executor holds: cancels
 * of runs that nobody knows yet are kept for them, and strays cannot be told from what is about to come.
 */
export class Intake {
  readonly #parts: IntakeParts
  /** Of each claim under way, the runs that were cancelled since it began. */
  readonly #underWay = new Set<Set<string>>()
  #idle = Promise.withResolvers<void>()
  #isClosed = false

  constructor(parts: IntakeParts) {
    this.#parts = parts
    this.#idle.resolve()
  }

  /** Claims, and starts what was claimed. */
  async take<T extends { readonly tasks: readonly ClaimedTask[] }>(claim: () => Promise<T>): Promise<T> {
    const cancelled = new Set<string>()
    if (this.#underWay.size === 0) this.#idle = Promise.withResolvers()
    this.#underWay.add(cancelled)
    try {
      const answer = await claim()
      const fresh = answer.tasks.filter((task) => !this.#isHeld(task))
      if (this.#isClosed) await Promise.all(fresh.map((task) => this.#handBack(task)))
      else for (const task of fresh) this.#parts.start(task, cancelled.has(runKey(task)))
      return answer
    } finally {
      this.#underWay.delete(cancelled)
      if (this.#underWay.size === 0) this.#idle.resolve()
    }
  }

  /** Of a run that is not held: the answer to its claim may be under way. */
  noteCancel(run: Pick<Fence, 'taskId' | 'attempt'>): void {
    for (const cancelled of this.#underWay) cancelled.add(runKey(run))
  }

  /** From now on what comes in is handed back. */
  close(): void {
    this.#isClosed = true
  }

  /** Resolves when no claim is under way. */
  whenIdle(): Promise<void> {
    return this.#idle.promise
  }

  /** A failover may lose the claim of a run that is under way here, and number the next one alike. */
  #isHeld(task: ClaimedTask): boolean {
    const held = this.#parts.findHeld(task)
    held?.noteClaimedAgain()
    return held !== undefined
  }

  async #handBack(task: ClaimedTask): Promise<void> {
    const { db, executorId, context, onHandedBack } = this.#parts
    const fence = { taskId: task.taskId, attempt: task.attempt, executorId }
    try {
      await persist('a hand-back', () => releaseTask(db, fence, 0), context)
      onHandedBack(task)
    } catch (error) {
      context.events.emit('writeFailed', { what: `the hand-back of ${task.taskId}`, error })
    }
  }
}
