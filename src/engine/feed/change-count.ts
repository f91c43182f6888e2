/** A latch for any number of waiters; each compares counts, so none misses a change. */
export class ChangeLatch {
  #count = 0
  readonly #waiting = new Set<() => void>()

  get count(): number {
    return this.#count
  }

  announce(): void {
    this.#count += 1
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const resume of waiting) resume()
  }

  /** Resolves once there were more changes, after `ms`, or at the signal; never rejects. */
  async after(count: number, ms: number, signal: AbortSignal): Promise<'changed' | 'idle'> {
    if (this.#count === count && !signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const timer = setTimeout(resolve, ms)
      const onAbort = () => resolve()
      this.#waiting.add(resolve)
      signal.addEventListener('abort', onAbort)
      await promise
      signal.removeEventListener('abort', onAbort)
      this.#waiting.delete(resolve)
      clearTimeout(timer)
    }
    return this.#count === count ? 'idle' : 'changed'
  }
}
