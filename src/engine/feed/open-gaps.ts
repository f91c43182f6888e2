import type { Snapshot } from '../store/settled-ids.ts'

/** Concurrent large creates leave thousands of gaps; a sequence that was set forward leaves one of any length. */
const MAX_OPEN = 10_000

/**
 * How far a table has been read by row id, and the gaps below: ids whose rows a transaction in flight may have inserted. A
 * gap is open until its row is found, or every transaction that may own it has ended.
 */
export class OpenGaps {
  #position: number | undefined
  /** By row id: transactions from this xid on cannot own it. Undefined until the poll after the one that saw the gap. */
  readonly #open = new Map<number, number | undefined>()

  get position(): number | undefined {
    return this.#position
  }

  get ids(): number[] {
    return [...this.#open.keys()]
  }

  /**
   * Takes the result of a poll.
   *
   * @param page the ids after the position, in order
   * @param found all ids that the poll has read
   * @param from the id after which the first poll reads
   * @returns false if gaps were given up, because there are too many
   */
  advance(page: readonly number[], found: ReadonlySet<number>, from: number, snapshot: Snapshot): boolean {
    for (const [id, ownersBefore] of this.#open) {
      // A transaction may draw a row id before it gets its own: what bounds its owners is read one poll later.
      if (found.has(id) || (ownersBefore !== undefined && ownersBefore <= snapshot.oldestXid))
        this.#open.delete(id)
      else if (ownersBefore === undefined) this.#open.set(id, snapshot.nextXid)
    }
    const start = this.#position ?? from
    const end = page.at(-1) ?? start
    const read = new Set(page)
    for (let id = Math.max(start + 1, end - MAX_OPEN); id < end; id += 1) {
      if (!read.has(id)) this.#open.set(id, undefined)
    }
    const surplus = this.#open.size - MAX_OPEN
    for (const id of [...this.#open.keys()].slice(0, Math.max(0, surplus))) this.#open.delete(id)
    this.#position = end
    return surplus <= 0 && end - start <= MAX_OPEN
  }
}
