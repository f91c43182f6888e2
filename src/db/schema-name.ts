import { TaskError } from '../engine/definition/errors.ts'

export const PUBLIC = 'public'

/** PostgreSQL cuts longer names off, without an error. */
const MAX_BYTES = 63

/** Why PostgreSQL, or the engine, would not have a schema of this name, in words that follow "must be"; undefined: it would. */
export function findSchemaNameProblem(name: unknown): string | undefined {
  if (typeof name !== 'string') return 'a string'
  if (name === '') return 'a name, not empty'
  if (name.includes('\0') || !name.isWellFormed()) return 'text without NUL and without half a surrogate pair'
  if (Buffer.byteLength(name) > MAX_BYTES)
    return `a name of at most ${MAX_BYTES} bytes, got ${Buffer.byteLength(name)}`
  if (name.startsWith('pg_') || name === 'information_schema') {
    return `a schema of your own: PostgreSQL reserves '${name}'`
  }
  return undefined
}

/** @throws TaskError `INVALID_ARGUMENT` */
export function requireSchemaName(name: unknown): string {
  const problem = findSchemaNameProblem(name)
  if (problem === undefined) return name as string
  throw new TaskError('INVALID_ARGUMENT', `schema must be ${problem}`)
}
