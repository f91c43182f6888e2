import { setImmediate } from 'node:timers/promises'
import { within } from '../runtime/timeouts.ts'
import { type Fence, runKey } from '../store/fence.ts'
import type { Attempt } from './attempt/attempt.ts'

/** From here on, overlapping claims and completions is worth it. */
const MANY = 32

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
  readonly #counts = new Map<string, number>()
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

  /**
   * After a claim of these runs: waits for their outcomes if all their handlers have returned at once, and this will free
   * at least as many slots as are free. Otherwise, with few slots, tasks that take no time would split into two groups for
   * good, each claimed while the outcomes of the other are written.
   */
  async fill(claimed: readonly Pick<Fence, 'taskId' | 'attempt'>[], maxMs: number): Promise<void> {
    if (this.#size >= MANY || this.free === 0) return
    // Handlers that take no time return before.
    await setImmediate()
    const held = claimed.flatMap(({ taskId, attempt }) => this.find(taskId, attempt) ?? [])
    if (held.length < this.free || held.some((attempt) => !attempt.hasReturned)) return
    await within(maxMs, Promise.allSettled(held.map(({ ended }) => ended)))
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
    const key = runKey(attempt.fence)
    if (this.#byRun.get(key) === attempt) this.#byRun.delete(key)
    if (this.#held.size === 0) this.#idle.resolve()
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
