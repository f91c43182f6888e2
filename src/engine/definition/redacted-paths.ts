/** Paths such as `password`, `card.number` or `users.*.token`, split at dots; `*` is any key or index. */
export type Paths = readonly (readonly string[])[]

export const REDACTED = '[redacted]'

export function hideAt(value: unknown, paths: Paths): unknown {
  return paths.reduce((left, path) => replaceAt(left, path), value)
}

function replaceAt(value: unknown, [key, ...rest]: readonly string[]): unknown {
  if (key === undefined) return REDACTED
  const entries = entriesAt(value, key)
  if (entries.length === 0) return value
  const copy = Array.isArray(value) ? [...value] : { ...(value as object) }
  for (const [name, item] of entries) Object.assign(copy, { [name]: replaceAt(item, rest) })
  return copy
}

export function restoreAt(value: unknown, before: unknown, [key, ...rest]: readonly string[]): unknown {
  if (key === undefined) return value === REDACTED && before !== undefined ? before : value
  const entries = entriesAt(value, key)
  if (entries.length === 0) return value
  const olds = new Map(entriesAt(before, key))
  const copy = Array.isArray(value) ? [...value] : { ...(value as object) }
  for (const [name, item] of entries) Object.assign(copy, { [name]: restoreAt(item, olds.get(name), rest) })
  return copy
}

export function valuesAt(value: unknown, [key, ...rest]: readonly string[]): unknown[] {
  if (key === undefined) return [value]
  return entriesAt(value, key).flatMap(([, item]) => valuesAt(item, rest))
}

export function markersAt(
  value: unknown,
  [key = '*', ...rest]: readonly string[],
  at: string[] = [],
): string[][] {
  if (value === REDACTED) return [at]
  return entriesAt(value, key).flatMap(([name, item]) => markersAt(item, rest, [...at, name]))
}

function entriesAt(value: unknown, key: string): [string, unknown][] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).filter(([name]) => key === '*' || name === key)
}
