/** At most five writes a second, however often handlers speak. */
const FLUSH_INTERVAL_MS = 200

/** Writes what has gathered: one flush at a time, a fifth of a second after the first word, or at once when asked. */
export class FlushLoop {
  readonly #flush: () => Promise<void>
  readonly #more: () => 'none' | 'later' | 'now'
  readonly #giveUp: AbortSignal
  #timer: NodeJS.Timeout | undefined
  #flushing: Promise<void> | undefined

  /** `more` says after a flush whether another one is wanted. */
  constructor(flush: () => Promise<void>, more: () => 'none' | 'later' | 'now', giveUp: AbortSignal) {
    this.#flush = flush
    this.#more = more
    this.#giveUp = giveUp
  }

  /** Joins the flush that is under way, or starts one. */
  now(): Promise<void> {
    this.#flushing ??= this.#flush().finally(() => {
      this.#flushing = undefined
      if (!this.#giveUp.aborted) this.#goOn()
    })
    return this.#flushing
  }

  soon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.unattended()
    }, FLUSH_INTERVAL_MS)
  }

  /** It rejects only when the stop's deadline has passed, and then whoever waits for the output hears of it. */
  unattended(): void {
    this.now().catch(() => {})
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #goOn(): void {
    const more = this.#more()
    if (more === 'now') this.unattended()
    if (more === 'later') this.soon()
  }
}
