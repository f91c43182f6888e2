import type { EngineSchema } from '../db/engine-schema.ts'

/** A word of a shell's command line. */
function toWord(name: string): string {
  return /["$`\\!]/.test(name) ? `'${name.replaceAll("'", `'\\''`)}'` : `"${name}"`
}

/** The command that applies what a schema lacks. */
export function migrateCommandFor(schema: EngineSchema): string {
  return `npx fastify-async-tasks migrate${schema.isPublic ? '' : ` --schema ${toWord(schema.name)}`}`
}
