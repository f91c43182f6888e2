/**
 * One item a key, the last one given, ordered by key: one statement cannot touch a row twice, and writers that lock
 * rows in one order do not deadlock.
 */
export function uniqueBy<Item>(items: readonly Item[], keyOf: (item: Item) => string): Item[] {
  const byKey = new Map(items.map((item) => [keyOf(item), item]))
  return [...byKey.entries()].sort(([a], [b]) => compareText(a, b)).map(([, item]) => item)
}

/** By code unit, the same on every machine. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b)
}
