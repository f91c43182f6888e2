/** Transactions at the moment of a look. */
export interface Snapshot {
  /** The oldest that had not ended; the next one where none was in flight. */
  readonly oldestXid: number
  /** Every transaction that had begun to write by then has a smaller number. */
  readonly nextXid: number
  /** One of them had written to the log. */
  readonly logIsWritten: boolean
}

interface Seen extends Snapshot {
  readonly id: number
  readonly atMs: number
}

/**
 * A transaction that never ends, in whatever database of the server, must not hold back a log for ever. A line of one
 * that had written to the log earlier than others, and committed this much later, may be missing in a stream.
 */
const MAX_HELD_MS = 2_000

/**
 * Which of the ids that were seen cannot be followed by smaller ones. Ids come from a sequence and show when their
 * transactions commit, so a smaller one may show later; whoever remembers only the highest would miss it.
 *
 * An id is settled when everything that was in flight when it was first seen has ended. It is handed on only from
 * the look that finds that out, which therefore shows everything smaller, too.
 */
export class SettledIds {
  #seen: Seen[] = []
  #settled: number | undefined

  /** Undefined while nothing is. */
  get settled(): number | undefined {
    return this.#settled
  }

  /** Takes the highest id of a look; answers up to where the look may be handed on. */
  see(id: number, snapshot: Snapshot, nowMs: number): number | undefined {
    this.#seen.push({ id, ...snapshot, atMs: nowMs })
    const isSettled = (seen: Seen, isThisLook: boolean) =>
      seen.nextXid <= snapshot.oldestXid ||
      // Asked after its look, so what was written by then shows only in the next one.
      (!seen.logIsWritten && !isThisLook) ||
      nowMs - seen.atMs >= MAX_HELD_MS
    const last = this.#seen.length - 1
    const settled = this.#seen.filter((seen, i) => isSettled(seen, i === last))
    for (const { id } of settled) this.#settled = Math.max(this.#settled ?? 0, id)
    this.#seen = this.#seen.filter((seen) => !settled.includes(seen))
    return this.#settled
  }
}
