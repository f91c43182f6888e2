import { runKey } from '../store/fence.ts'
import type { Attempt } from './attempt/attempt.ts'

/** From so many slots on, what is claimed and what is completed are worth two connections at once. */
const MANY = 32

/**
 * The attempts of an executor. Each takes a slot at least until its handler has returned, whatever its row says: a
 * handler that ignores its signal goes on using the process. Each is held until its end is written. Where there are
 * many slots the next tasks need not wait for that: as many ends as there are slots may be on their way to the database.
 */
export class Slots {
  /** A slot became free; `wasFull`: none was before. */
  onFreed: (attempt: Attempt, wasFull: boolean) => void = () => {}
  /** The end of an attempt is written, or can no longer be. */
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

  get size(): number {
    return this.#size
  }

  /** How many are taken. */
  get running(): number {
    return this.#running.size
  }

  get free(): number {
    return Math.min(this.#size - this.running, this.#mostHeld - this.#held.size)
  }

  /** Those that are held. */
  attempts(): readonly Attempt[] {
    return [...this.#held]
  }

  /** Tasks whose handlers have ignored their signal for the grace period. */
  get stuck(): string[] {
    return this.attempts()
      .filter((attempt) => attempt.stuck)
      .map((attempt) => attempt.fence.taskId)
  }

  find(taskId: string, attempt: number): Attempt | undefined {
    return this.#byRun.get(runKey({ taskId, attempt }))
  }

  /** How many of a type take a slot. */
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

  /** The handler has returned, and only its end is left to be written. */
  vacate(attempt: Attempt): void {
    if (this.#size < MANY) return
    const before = this.free
    this.#leave(attempt)
    this.#noteFreed(attempt, before)
  }

  /** Nothing more is written of the attempt. */
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

  /** Resolves when none is held. */
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
