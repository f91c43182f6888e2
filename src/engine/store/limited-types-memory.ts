const INSERT_TYPES_INTERVAL_MS = 1_000

/** What earlier claims have found out about types with a limit over all processes. */
export class LimitedTypesMemory {
  /** Types that had more due tasks than are searched for keys: claims hop from key to key. */
  readonly crowded = new Set<string>()
  /** Types whose row exists, as far as is known. */
  readonly #inserted = new Set<string>()
  #insertedAt = Number.NEGATIVE_INFINITY

  missing(types: readonly string[]): string[] {
    return types.filter((taskType) => !this.#inserted.has(taskType))
  }

  noteInserted(types: readonly string[]): void {
    for (const taskType of types) this.#inserted.add(taskType)
    this.#insertedAt = performance.now()
  }

  /** The row of a contended type is locked by another claim, or an operator has deleted it. */
  noteContended(types: readonly string[]): void {
    if (performance.now() - this.#insertedAt < INSERT_TYPES_INTERVAL_MS) return
    for (const taskType of types) this.#inserted.delete(taskType)
  }

  noteCrowded(types: readonly string[], crowded: readonly string[]): void {
    for (const taskType of types) this.crowded.delete(taskType)
    for (const taskType of crowded) this.crowded.add(taskType)
  }
}
