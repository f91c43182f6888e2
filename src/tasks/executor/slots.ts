import type { Attempt } from './attempt.ts'

/**
 * The attempts whose handlers have not returned. Each holds one slot, whatever its row says: a handler that
 * ignores its signal goes on using the process.
 */
export class Slots {
  readonly #size: number
  readonly #onFreed: (attempt: Attempt) => void
  readonly #attempts = new Set<Attempt>()
  readonly #counts = new Map<string, number>()
  #idle = Promise.withResolvers<void>()

  constructor(size: number, onFreed: (attempt: Attempt) => void) {
    this.#size = size
    this.#onFreed = onFreed
    this.#idle.resolve()
  }

  get size(): number {
    return this.#size
  }

  get free(): number {
    return this.#size - this.#attempts.size
  }

  attempts(): readonly Attempt[] {
    return [...this.#attempts]
  }

  find(taskId: string, attempt: number): Attempt | undefined {
    return this.attempts().find(({ fence }) => fence.taskId === taskId && fence.attempt === attempt)
  }

  /** How many of a type there are. */
  count(taskType: string): number {
    return this.#counts.get(taskType) ?? 0
  }

  take(attempt: Attempt): void {
    if (this.#attempts.size === 0) this.#idle = Promise.withResolvers<void>()
    this.#attempts.add(attempt)
    this.#counts.set(attempt.task.taskType, this.count(attempt.task.taskType) + 1)
  }

  release(attempt: Attempt): void {
    this.#attempts.delete(attempt)
    this.#counts.set(attempt.task.taskType, this.count(attempt.task.taskType) - 1)
    if (this.#attempts.size === 0) this.#idle.resolve()
    this.#onFreed(attempt)
  }

  /** Resolves when no slot is taken. */
  whenIdle(): Promise<void> {
    return this.#idle.promise
  }
}
