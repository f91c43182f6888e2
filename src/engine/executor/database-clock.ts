export interface ClockReading {
  readonly sentAt: number
  readonly receivedAt: number
  readonly at: number
}

const TOLERANCE_MS = 1_000

/** Compares the database's clock, which may be set, with this process's monotonic clock. */
export class DatabaseClock {
  #last: ClockReading | undefined
  #latest = Number.NEGATIVE_INFINITY

  /** Returns the time since the last reading, and how much of it cannot have passed here; negative: backwards. */
  read(reading: ClockReading, latest: number): { gapMs: number; jumpMs: number } {
    const last = this.#last ?? reading
    this.#last = reading
    this.#latest = Math.max(this.#latest, latest, reading.at)
    const gapMs = reading.at - last.at
    const [least, most] = [reading.sentAt - last.receivedAt, reading.receivedAt - last.sentAt]
    return { gapMs, jumpMs: gapMs > most ? gapMs - most : Math.min(0, gapMs - Math.max(0, least)) }
  }

  get behindMs(): number {
    if (!this.#last) return 0
    const now = this.#last.at + performance.now() - this.#last.receivedAt
    const behindMs = this.#latest - now
    return behindMs > TOLERANCE_MS ? behindMs : 0
  }
}
