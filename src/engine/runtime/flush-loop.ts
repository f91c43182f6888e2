/** At most five writes a second. */
const FLUSH_INTERVAL_MS = 200
/** After an idle period someone may be watching: flushes soon, but together with what follows at once. */
const FIRST_WORD_MS = 20

/** Flushes a buffer: one flush at a time, soon after an idle period, otherwise every 200 ms. */
export class FlushLoop {
  readonly #flush: () => Promise<void>
  readonly #more: () => 'none' | 'later' | 'now'
  readonly #giveUp: AbortSignal
  #timer: NodeJS.Timeout | undefined
  #flushedAt = Number.NEGATIVE_INFINITY
  #flushing: Promise<void> | undefined

  /** @param more whether another flush is wanted */
  constructor(flush: () => Promise<void>, more: () => 'none' | 'later' | 'now', giveUp: AbortSignal) {
    this.#flush = flush
    this.#more = more
    this.#giveUp = giveUp
  }

  get isFlushing(): boolean {
    return this.#flushing !== undefined
  }

  /** Joins the flush in flight, or starts one. */
  now(): Promise<void> {
    this.#flushing ??= this.#flushOnce()
    return this.#flushing
  }

  soon(): void {
    if (this.#timer) return
    const sinceLastMs = performance.now() - this.#flushedAt
    const waitMs = Math.max(FIRST_WORD_MS, FLUSH_INTERVAL_MS - sinceLastMs)
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.unattended()
    }, waitMs)
  }

  /** Rejects only at the stop's deadline; those who wait for the output receive that error. */
  unattended(): void {
    this.now().catch(() => {})
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  async #flushOnce(): Promise<void> {
    this.#flushedAt = performance.now()
    try {
      await this.#flush()
    } finally {
      this.#flushing = undefined
      if (!this.#giveUp.aborted) this.#goOn()
    }
  }

  #goOn(): void {
    const more = this.#more()
    if (more === 'now') this.unattended()
    if (more === 'later') this.soon()
  }
}
