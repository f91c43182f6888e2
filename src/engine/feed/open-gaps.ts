import type { Snapshot } from '../store/settled-ids.ts'

/** Concurrent large creates leave thousands of gaps; a sequence that was set forward leaves any number. */
const MAX_MISSING = 10_000

/**
 * How far a table has been read by id, and the smaller ids that may still become visible: a gap is missing until every
 * transaction that may own its id has ended.
 */
export class MissingIds {
  #position: number | undefined
  /** By id: transactions from this id on cannot own it. Undefined until the poll after the one that saw the gap. */
  readonly #missing = new Map<number, number | undefined>()

  get position(): number | undefined {
    return this.#position
  }

  get ids(): number[] {
    return [...this.#missing.keys()]
  }

  /**
   * @param last the highest id of the table
   * @returns false where some missing ids were given up, because there are too many
   */
  advance(page: readonly number[], found: ReadonlySet<number>, last: number, snapshot: Snapshot): boolean {
    for (const [id, bound] of this.#missing) {
      // A transaction may draw a row's id before it gets its own: the bound is taken one poll later.
      if (found.has(id) || (bound !== undefined && bound <= snapshot.oldestXid)) this.#missing.delete(id)
      else if (bound === undefined) this.#missing.set(id, snapshot.nextXid)
    }
    // The first poll begins at its page: ids below it count as read.
    const end = page.at(-1) ?? this.#position ?? last
    const read = new Set(page)
    const first = page[0] ?? end + 1
    const start = this.#position ?? first - 1
    for (let id = Math.max(start + 1, end - MAX_MISSING); id < end; id += 1) {
      if (!read.has(id)) this.#missing.set(id, undefined)
    }
    const surplus = this.#missing.size - MAX_MISSING
    for (const id of [...this.#missing.keys()].slice(0, Math.max(0, surplus))) this.#missing.delete(id)
    this.#position = end
    return surplus <= 0 && end - start <= MAX_MISSING
  }
}
