/**
 * A latch that ends a wait early. A wake-up that comes while nobody waits is kept, so none is lost between
 * "nothing to do" and the wait; any number of them counts as one.
 */
export class WakeUp {
  #pending = false
  #resume: (() => void) | undefined

  notify(): void {
    this.#pending = true
    this.#resume?.()
  }

  /** Resolves after `ms`, at a wake-up, or when the signal aborts; never rejects. One waiter at a time. */
  async wait(ms: number, signal: AbortSignal): Promise<void> {
    if (!this.#pending && !signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const timer = setTimeout(resolve, ms)
      this.#resume = resolve
      const onAbort = () => resolve()
      signal.addEventListener('abort', onAbort)
      await promise
      signal.removeEventListener('abort', onAbort)
      clearTimeout(timer)
      this.#resume = undefined
    }
    this.#pending = false
  }
}

/** Resolves after `ms`, or when the signal aborts; never rejects. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new WakeUp().wait(ms, signal)
}
