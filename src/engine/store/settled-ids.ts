export interface Snapshot {
  /** The id of the oldest transaction in flight; the next id if there is none. */
  readonly oldestXid: number
  /** Larger than the id of every transaction that had written by then. */
  readonly nextXid: number
  /** A transaction in flight had written to the log. */
  readonly logIsWritten: boolean
}

interface Seen extends Snapshot {
  readonly id: number
  readonly atMs: number
}

/** A transaction that never ends must not hold back a stream. A line that commits later than this may be missing. */
const MAX_HELD_MS = 2_000

/**
 * Row ids become visible when their transactions commit, so a smaller one may appear later. A row id is settled when
 * every transaction in flight at its first poll has ended, or it has waited 2 s. A writer must own its transaction id
 * before it takes a row id: a later one counts as not in flight.
 */
export class SettledIds {
  #seen: Seen[] = []
  #settled: number | undefined

  get settled(): number | undefined {
    return this.#settled
  }

  /** Takes the highest id of a poll; returns up to which id its lines may be published. */
  record(id: number, snapshot: Snapshot, nowMs: number): number | undefined {
    this.#seen.push({ id, ...snapshot, atMs: nowMs })
    const isSettled = (seen: Seen, isThisPoll: boolean) =>
      seen.nextXid <= snapshot.oldestXid ||
      // No one was writing then. `logIsWritten` is read after the snapshot, so a commit in between shows in the next poll.
      (!seen.logIsWritten && !isThisPoll) ||
      nowMs - seen.atMs >= MAX_HELD_MS
    const last = this.#seen.length - 1
    const settled = this.#seen.filter((seen, i) => isSettled(seen, i === last))
    for (const { id } of settled) this.#settled = Math.max(this.#settled ?? 0, id)
    this.#seen = this.#seen.filter((seen) => !settled.includes(seen))
    return this.#settled
  }
}
