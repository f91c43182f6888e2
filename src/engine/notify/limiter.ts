/** Each NOTIFY takes one exclusive lock of the server with its commit, and wakes executors. */
const INTERVAL_MS = 5

/** Limits notifications of one kind; a trailing timer sends the number of tasks that were not sent yet. */
export class NotifyLimiter {
  readonly #send: (count: number) => void
  #nextAt = 0
  #unsent = 0
  #timer: NodeJS.Timeout | undefined

  /** @param send sends a notification of `count` due tasks; Infinity: of an unknown number */
  constructor(send: (count: number) => void) {
    this.#send = send
  }

  /** Returns whether an insert should notify with its own commit; if so, this counts as a notification. */
  shouldNotify(): boolean {
    const now = performance.now()
    if (this.#timer || now < this.#nextAt) return false
    this.#nextAt = now + INTERVAL_MS
    return true
  }

  notify(count: number): void {
    this.#unsent += count
    if (this.#timer) return
    const leftMs = this.#nextAt - performance.now()
    if (leftMs <= 0) this.flush()
    else this.#timer = setTimeout(() => this.flush(), leftMs)
  }

  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#unsent === 0) return
    const count = this.#unsent
    this.#unsent = 0
    this.#nextAt = performance.now() + INTERVAL_MS
    this.#send(count)
  }
}
