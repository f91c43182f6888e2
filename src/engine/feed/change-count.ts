/** Counts changes. A waiter compares counts, so it misses none. */
export class ChangeCount {
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

  /** Waits for a change after this count, for `ms` at most, or until the signal. Returns whether there was one. */
  async after(count: number, ms: number, signal: AbortSignal): Promise<boolean> {
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
    return this.#count !== count
  }
}
