import { createHash } from 'node:crypto'

/** A fixed SQL text, prepared once per connection under its name. */
export interface Statement {
  readonly name: string
  readonly text: string
}

/**
 * Adds a hash of the text to the name: `pg` refuses one name for two texts, and two versions of this package may share
 * a pool. The text starts with the name, for the server's views and logs.
 */
export function statement(name: string, text: string): Statement {
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 10)
  return { name: `tasks_${name}_${hash}`, text: `/* tasks_${name} */ ${text}` }
}
