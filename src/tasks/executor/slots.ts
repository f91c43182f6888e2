import type { Attempt } from './attempt.ts'

/**
 * The attempts whose handlers have not returned. Each holds one slot, whatever its row says: a handler that
 * ignores its signal goes on using the process.
 */
export class Slots {
  readonly #size: number
  readonly #onFreed: () => void
  readonly #attempts = new Set<Attempt>()
  #idle = Promise.withResolvers<void>()

  constructor(size: number, onFreed: () => void) {
    this.#size = size
    this.#onFreed = onFreed
    this.#idle.resolve()
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

  take(attempt: Attempt): void {
    if (this.#attempts.size === 0) this.#idle = Promise.withResolvers<void>()
    this.#attempts.add(attempt)
  }

  release(attempt: Attempt): void {
    this.#attempts.delete(attempt)
    if (this.#attempts.size === 0) this.#idle.resolve()
    this.#onFreed()
  }

  /** Resolves when no slot is taken. */
  whenIdle(): Promise<void> {
    return this.#idle.promise
  }
}
