/**
 * Logs one line when the database goes away and one when it is back, however many loops and writes fail: the outage
 * ends when the last of them succeeds.
 */
export class OutageLog {
  /** Loops by name, writes by their symbol. */
  readonly #waiting = new Set<string | symbol>()
  readonly #log: { began(error: unknown): void; ended(ms: number): void }
  #since = 0

  constructor(log: { began(error: unknown): void; ended(ms: number): void }) {
    this.#log = log
  }

  met(by: string | symbol, error: unknown): void {
    if (this.#waiting.size === 0) {
      this.#since = performance.now()
      this.#log.began(error)
    }
    this.#waiting.add(by)
  }

  /** Returns false if it had not failed. */
  overcome(by: string | symbol): boolean {
    if (!this.#waiting.delete(by)) return false
    if (this.#waiting.size === 0) this.#log.ended(performance.now() - this.#since)
    return true
  }

  /** No one waits for it any more; it does not show whether the database is back. */
  giveUp(by: string | symbol): void {
    this.#waiting.delete(by)
  }
}
