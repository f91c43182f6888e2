/**
 * One line when the database goes away and one when it is back, however many loops and writes meet the outage.
 * Each of them is remembered until the database answers it again; the outage is over when the last one is.
 */
export class OutageLog {
  /** Loops by name, of which there is one each; writes by a symbol of their own. */
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

  /** False when it had not met one. */
  overcome(by: string | symbol): boolean {
    if (!this.#waiting.delete(by)) return false
    if (this.#waiting.size === 0) this.#log.ended(performance.now() - this.#since)
    return true
  }

  /** Nobody waits for it any more; whether the database is back, it cannot say. */
  giveUp(by: string | symbol): void {
    this.#waiting.delete(by)
  }
}
