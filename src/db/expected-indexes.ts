import type { EngineSchema } from './engine-schema.ts'
import { readMigrations } from './migrations.ts'

const CREATED = /CREATE (UNIQUE )?INDEX "(\w+)" ON "(\w+)" ([^;]+);?/g
const DROPPED = /DROP INDEX (?:IF EXISTS )?"(\w+)"/g

/** The indexes that the migrations leave behind, with a statement that builds each beside running processes. */
export function expectedIndexes(schema: EngineSchema): Map<string, string> {
  const indexes = new Map<string, string>()
  for (const text of readMigrations('tasks', schema).flatMap(({ sql }) => sql)) {
    for (const [, name = ''] of text.matchAll(DROPPED)) indexes.delete(name)
    for (const [, unique = '', name = '', table = '', rest = ''] of text.matchAll(CREATED)) {
      const columns = rest.replaceAll(`"${table}".`, '')
      indexes.set(
        name,
        `create ${unique.toLowerCase()}index concurrently ${name} on ${schema.quoted}.${table} ${columns.trim()}`,
      )
    }
  }
  return indexes
}
