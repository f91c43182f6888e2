/**
 * Drizzle's error tells the whole statement and its parameters, secrets and all, in its message and its stack. Why it
 * was refused, its cause tells.
 */
export function withoutStatement(error: unknown): unknown {
  let current = error
  while (current instanceof Error && 'query' in current && 'params' in current) {
    current = current.cause ?? new Error('the database refused a statement')
  }
  return current
}
