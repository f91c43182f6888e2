/**
 * One line when the database goes away and one when it is back, however many loops and writes meet the outage.
 * Each of them is remembered until it goes through again; the outage is over when the last one has.
 */
export class OutageLog {
  readonly #waiting = new Map<string, number>()
  readonly #log: { began(error: unknown): void; ended(ms: number): void }
  #since = 0

  constructor(log: { began(error: unknown): void; ended(ms: number): void }) {
    this.#log = log
  }

  met(by: string, error: unknown): void {
    if (this.#waiting.size === 0) {
      this.#since = performance.now()
      this.#log.began(error)
    }
    this.#waiting.set(by, (this.#waiting.get(by) ?? 0) + 1)
  }

  /** False when it had not met one. */
  overcome(by: string): boolean {
    const count = this.#waiting.get(by)
    if (count === undefined) return false
    if (count > 1) this.#waiting.set(by, count - 1)
    else this.#waiting.delete(by)
    if (this.#waiting.size === 0) this.#log.ended(performance.now() - this.#since)
    return true
  }
}
