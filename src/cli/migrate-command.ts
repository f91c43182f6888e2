import type { EngineSchema } from '../db/engine-schema.ts'
import { toShellWord } from './shell-word.ts'

/** The command that applies what a schema lacks. */
export function migrateCommandFor(schema: EngineSchema): string {
  const name = /["$`\\!]/.test(schema.name) ? toShellWord(schema.name) : `"${schema.name}"`
  return `npx fastify-async-tasks migrate${schema.isPublic ? '' : ` --schema ${name}`}`
}
