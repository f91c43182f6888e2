import type { EngineSchema } from '../db/engine-schema.ts'

/** The command that applies what a schema lacks. */
export function migrateCommandFor(schema: EngineSchema): string {
  return `npx fastify-async-tasks migrate${schema.isPublic ? '' : ` --schema ${schema.quoted}`}`
}
