const MAX_SHOWN_CHARS = 100

/**
 * What was given instead of a valid value, for an error: short, and never the source of a function.
 *
 * It is in `client/` because that folder imports nothing from the others, and the server needs it too.
 */
export function describeValue(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, MAX_SHOWN_CHARS))
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object'
  return String(value)
}
