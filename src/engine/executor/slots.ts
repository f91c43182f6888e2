import { setImmediate } from 'node:timers/promises'
import { WakeUp } from '../runtime/wake-up.ts'
import { runKey } from '../store/fence.ts'
import type { Attempt } from './attempt/attempt.ts'

/** From here on, overlapping claims and completions is worth it. */
const MANY = 32

/** One of the outcomes may wait for a lock. */
const MAX_FILL_MS = 10

/**
 * The attempts of an executor. Each has a slot until its handler has returned, even if its row has ended before, and is
 * held until its outcome is written. With many slots, a slot frees when its handler returns: as many outcomes as there are
 * slots may be in flight.
 */
export class Slots {
  /** `wasFull`: no slot was free before. */
  onFreed: (attempt: Attempt, wasFull: boolean) => void = () => {}
  onEnded: (attempt: Attempt) => void = () => {}
  readonly #size: number
  readonly #mostHeld: number
  readonly #held = new Set<Attempt>()
  readonly #byRun = new Map<string, Attempt>()
  readonly #running = new Set<Attempt>()
  /** Those whose handler has returned. */
  readonly #returned = new Set<Attempt>()
  readonly #counts = new Map<string, number>()
  #filling: WakeUp | undefined
  #idle = Promise.withResolvers<void>()

  constructor(size: number) {
    this.#size = size
    this.#mostHeld = size < MANY ? size : 2 * size
    this.#idle.resolve()
  }

  get running(): number {
    return this.#running.size
  }

  get free(): number {
    return Math.min(this.#size - this.running, this.#mostHeld - this.#held.size)
  }

  get held(): number {
    return this.#held.size
  }

  attempts(): readonly Attempt[] {
    return [...this.#held]
  }

  get stuck(): string[] {
    return this.attempts()
      .filter((attempt) => attempt.stuck)
      .map((attempt) => attempt.fence.taskId)
  }

  find(taskId: string, attempt: number): Attempt | undefined {
    return this.#byRun.get(runKey({ taskId, attempt }))
  }

  count(taskType: string): number {
    return this.#counts.get(taskType) ?? 0
  }

  take(attempt: Attempt): void {
    if (this.#held.size === 0) this.#idle = Promise.withResolvers<void>()
    this.#held.add(attempt)
    this.#byRun.set(runKey(attempt.fence), attempt)
    this.#running.add(attempt)
    this.#count(attempt, 1)
  }

  noteReturned(attempt: Attempt): void {
    this.#returned.add(attempt)
  }

  /**
   * Waits for outcomes in flight if they will free more slots than are free, and no handler runs. So tasks that take no time
   * do not split into two groups, each claimed while the outcomes of the other are written.
   */
  async fill(signal: AbortSignal): Promise<void> {
    if (this.#size >= MANY || this.free === 0) return
    // Handlers that take no time return before.
    await setImmediate()
    if (this.#returned.size < this.#held.size || this.#returned.size < this.free) return
    this.#filling = new WakeUp()
    await this.#filling.wait(MAX_FILL_MS, signal)
  }

  vacate(attempt: Attempt): void {
    if (this.#size < MANY) return
    const before = this.free
    this.#leave(attempt)
    this.#noteFreed(attempt, before)
  }

  release(attempt: Attempt): void {
    const before = this.free
    this.#leave(attempt)
    this.#held.delete(attempt)
    this.#returned.delete(attempt)
    const key = runKey(attempt.fence)
    if (this.#byRun.get(key) === attempt) this.#byRun.delete(key)
    if (this.#held.size === 0) this.#idle.resolve()
    this.#filling?.notify()
    this.onEnded(attempt)
    this.#noteFreed(attempt, before)
  }

  whenIdle(): Promise<void> {
    return this.#idle.promise
  }

  #leave(attempt: Attempt): void {
    if (this.#running.delete(attempt)) this.#count(attempt, -1)
  }

  #noteFreed(attempt: Attempt, before: number): void {
    if (this.free > before) this.onFreed(attempt, before <= 0)
  }

  #count({ task: { taskType } }: Attempt, by: 1 | -1): void {
    this.#counts.set(taskType, this.count(taskType) + by)
  }
}
