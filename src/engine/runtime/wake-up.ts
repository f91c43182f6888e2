const FAR_MS = 60_000

/** A latch that ends a wait early. A wake-up while no one waits is kept; any number of them counts as one. */
export class WakeUp {
  readonly #timers = new Set<NodeJS.Timeout>()
  #pending = false
  #resume: (() => void) | undefined

  notify(): void {
    this.#pending = true
    this.#resume?.()
  }

  /** Ignores delays over a minute: polling covers those. */
  notifyAfter(ms: number, before = () => {}): void {
    if (ms > FAR_MS) return
    const notify = () => {
      before()
      this.notify()
    }
    if (ms === 0) {
      notify()
      return
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      notify()
    }, ms)
    this.#timers.add(timer)
  }

  clear(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
  }

  /** Resolves to whether a wake-up ended it; at the signal, too. Never rejects. One waiter at a time. */
  async wait(ms: number, signal: AbortSignal): Promise<boolean> {
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
    const woken = this.#pending
    this.#pending = false
    return woken
  }
}

/** Resolves after `ms` or at the signal; never rejects. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await new WakeUp().wait(ms, signal)
}
