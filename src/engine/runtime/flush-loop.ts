const FLUSH_INTERVAL_MS = 200
/** After an idle period someone may be watching: flushes soon, but together with what follows at once. */
const IDLE_FLUSH_MS = 20

/** Flushes a buffer: one flush at a time, soon after an idle period, otherwise every 200 ms. */
export class FlushLoop {
  readonly #write: () => Promise<void>
  readonly #more: () => 'none' | 'later' | 'now'
  readonly #giveUp: AbortSignal
  #timer: NodeJS.Timeout | undefined
  #flushedAt = Number.NEGATIVE_INFINITY
  #flushing: Promise<void> | undefined

  constructor(write: () => Promise<void>, more: () => 'none' | 'later' | 'now', giveUp: AbortSignal) {
    this.#write = write
    this.#more = more
    this.#giveUp = giveUp
  }

  get isFlushing(): boolean {
    return this.#flushing !== undefined
  }

  flush(): Promise<void> {
    this.#flushing ??= this.#flushOnce()
    return this.#flushing
  }

  schedule(): void {
    if (this.#timer) return
    const sinceLastMs = performance.now() - this.#flushedAt
    const waitMs = Math.max(IDLE_FLUSH_MS, FLUSH_INTERVAL_MS - sinceLastMs)
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.flushInBackground()
    }, waitMs)
  }

  /** Rejects only at the stop's deadline; those who wait for the output receive that error. */
  flushInBackground(): void {
    this.flush().catch(() => {})
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  async #flushOnce(): Promise<void> {
    this.#flushedAt = performance.now()
    try {
      await this.#write()
    } finally {
      this.#flushing = undefined
      if (!this.#giveUp.aborted) this.#continue()
    }
  }

  #continue(): void {
    const more = this.#more()
    if (more === 'now') this.flushInBackground()
    if (more === 'later') this.schedule()
  }
}
