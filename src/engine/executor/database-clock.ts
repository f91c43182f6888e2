/** A heartbeat, in milliseconds: sent and answered by this process's monotonic clock, written by the database's. */
export interface ClockReading {
  readonly sentAt: number
  readonly answeredAt: number
  readonly at: number
}

/** A heartbeat that was written at the same moment as this one may lie a little ahead of it. */
const TOLERANCE_MS = 1_000

/**
 * Compares the database's clock with this process's, from heartbeat to heartbeat. A database's clock is set by its
 * operator, and goes on while this machine sleeps, which a monotonic clock does not count.
 */
export class DatabaseClock {
  #last: ClockReading | undefined
  #latest = Number.NEGATIVE_INFINITY

  /**
   * Database time since the last reading, and how much of it cannot have passed here, whenever between request and
   * response the two were read: negative where the clock went back.
   *
   * @param latest the latest instant that is known to have been, in milliseconds
   */
  read(reading: ClockReading, latest: number): { gapMs: number; jumpMs: number } {
    const last = this.#last ?? reading
    this.#last = reading
    this.#latest = Math.max(this.#latest, latest, reading.at)
    const gapMs = reading.at - last.at
    const [least, most] = [reading.sentAt - last.answeredAt, reading.answeredAt - last.sentAt]
    return { gapMs, jumpMs: gapMs > most ? gapMs - most : Math.min(0, gapMs - Math.max(0, least)) }
  }

  /** How far the clock is behind an instant that it had shown before; 0 where it is not. */
  get behindMs(): number {
    if (!this.#last) return 0
    const now = this.#last.at + performance.now() - this.#last.answeredAt
    const behindMs = this.#latest - now
    return behindMs > TOLERANCE_MS ? behindMs : 0
  }
}
