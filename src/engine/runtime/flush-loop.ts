/** At most five writes a second, however often handlers speak. */
const FLUSH_INTERVAL_MS = 200
/** What is said after a silence leaves soon, for it is being watched; words that come in one breath leave together. */
const FIRST_WORD_MS = 20

/** Writes what has gathered: one flush at a time, soon, but no more often than five times a second unless asked. */
export class FlushLoop {
  readonly #flush: () => Promise<void>
  readonly #more: () => 'none' | 'later' | 'now'
  readonly #giveUp: AbortSignal
  #timer: NodeJS.Timeout | undefined
  /** When the latest one began. */
  #flushedAt = Number.NEGATIVE_INFINITY
  #flushing: Promise<void> | undefined

  /** `more` says after a flush whether another one is wanted. */
  constructor(flush: () => Promise<void>, more: () => 'none' | 'later' | 'now', giveUp: AbortSignal) {
    this.#flush = flush
    this.#more = more
    this.#giveUp = giveUp
  }

  get isFlushing(): boolean {
    return this.#flushing !== undefined
  }

  /** Joins the flush that is under way, or starts one. */
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

  /** It rejects only when the stop's deadline has passed, and then whoever waits for the output hears of it. */
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
