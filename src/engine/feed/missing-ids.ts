import type { Snapshot } from '../store/settled-ids.ts'

/** Several large creates at once skip as many; a sequence that was set forward skips any number. */
const MAX_MISSING = 10_000

/**
 * How far a table has been read in the order of its ids, and which ids before that may still show: an id is given out
 * before its transaction commits. Such an id is missing until every transaction that may have it has ended.
 */
export class MissingIds {
  #position: number | undefined
  /** Each with the number that all transactions have which begin too late to have it; not known at the first poll. */
  readonly #missing = new Map<number, number | undefined>()

  /** Everything up to this id was read or is missing; undefined before the first poll. */
  get position(): number | undefined {
    return this.#position
  }

  get ids(): number[] {
    return [...this.#missing.keys()]
  }

  /**
   * Takes ids above the position, ascending; `found`, those of the missing ids; `last`, the highest id of the table.
   * Returns false where too many are missing: some of them are given up.
   */
  take(page: readonly number[], found: ReadonlySet<number>, last: number, snapshot: Snapshot): boolean {
    for (const [id, bound] of this.#missing) {
      // An id is given out a moment before its transaction has a number: the bound is that of the next poll.
      if (found.has(id) || (bound !== undefined && bound <= snapshot.oldestXid)) this.#missing.delete(id)
      else if (bound === undefined) this.#missing.set(id, snapshot.nextXid)
    }
    const end = page.at(-1) ?? this.#position ?? last
    const read = new Set(page)
    const start = this.#position ?? (page[0] ?? end + 1) - 1
    for (let id = Math.max(start + 1, end - MAX_MISSING); id < end; id += 1) {
      if (!read.has(id)) this.#missing.set(id, undefined)
    }
    const surplus = this.#missing.size - MAX_MISSING
    for (const id of [...this.#missing.keys()].slice(0, Math.max(0, surplus))) this.#missing.delete(id)
    this.#position = end
    return surplus <= 0 && end - start <= MAX_MISSING
  }
}
