export interface Snapshot {
  /** The oldest in flight; the next one if there is none. */
  readonly oldestXid: number
  /** Larger than the number of every transaction that had written by then. */
  readonly nextXid: number
  /** A transaction in flight had written to the log. */
  readonly logIsWritten: boolean
}

interface Seen extends Snapshot {
  readonly id: number
  readonly atMs: number
}

/** A transaction that never ends must not hold back a stream: a line that commits later may be missing. */
const MAX_HELD_MS = 2_000

/**
 * Ids become visible when their transactions commit, so a smaller one may appear later. An id is settled when every
 * transaction in flight at its first poll has ended.
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
      // `logIsWritten` is read after the snapshot: lines written by then are visible in the next poll only.
      (!seen.logIsWritten && !isThisPoll) ||
      nowMs - seen.atMs >= MAX_HELD_MS
    const last = this.#seen.length - 1
    const settled = this.#seen.filter((seen, i) => isSettled(seen, i === last))
    for (const { id } of settled) this.#settled = Math.max(this.#settled ?? 0, id)
    this.#seen = this.#seen.filter((seen) => !settled.includes(seen))
    return this.#settled
  }
}
