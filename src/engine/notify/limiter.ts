/** Commits with a NOTIFY take turns: they hold one lock, which a server has once. */
const INTERVAL_MS = 5

/** Sends at most one notification per INTERVAL_MS: the first at once, then one for all that were asked for meanwhile. */
export class NotifyLimiter {
  readonly #send: (count: number) => void
  #nextAt = 0
  #unsent = 0
  #timer: NodeJS.Timeout | undefined

  /** @param send sends one notification for `count` tasks; Infinity: their number is unknown */
  constructor(send: (count: number) => void) {
    this.#send = send
  }

  /** True: the caller notifies by itself, with the commit of its insert. False: it calls `notify` after the insert. */
  takeTurn(): boolean {
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
