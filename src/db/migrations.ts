import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type MigrationMeta, readMigrationFiles } from 'drizzle-orm/migrator'
import { ENGINE_MIGRATIONS } from './engine-migrations.ts'
import type { EngineSchema } from './engine-schema.ts'

export type MigrationHistory = 'tasks' | 'server'

export interface Migration extends MigrationMeta {
  readonly name: string
  /** Earlier versions of this package do not work beside it. */
  readonly oldestVersion: string
}

/** The migrations that this version knows, in order; those of the engine for tables in `schema`. */
export function readMigrations(history: MigrationHistory, schema: EngineSchema): Migration[] {
  if (history === 'server') return readServerMigrations()
  return ENGINE_MIGRATIONS.map((migration) => toMigration(migration, schema))
}

/** Reads a file as Drizzle does. */
function toMigration(
  { name, when, oldestVersion, text }: (typeof ENGINE_MIGRATIONS)[number],
  schema: EngineSchema,
): Migration {
  const hash = createHash('sha256').update(text).digest('hex')
  const sql = schema.renameMigration(text).split('--> statement-breakpoint')
  return { name, oldestVersion, folderMillis: when, hash, sql, bps: true }
}

function readServerMigrations(): Migration[] {
  const folder = fileURLToPath(new URL('../../migrations/server', import.meta.url))
  const read = (file: string) => JSON.parse(readFileSync(`${folder}/${file}`, 'utf8'))
  const journal: { entries: { tag: string }[] } = read('meta/_journal.json')
  const oldestVersions: Record<string, string> = read('oldest-versions.json')
  return readMigrationFiles({ migrationsFolder: folder }).map((migration, index) => {
    const name = journal.entries[index]?.tag ?? String(index)
    return { ...migration, name, oldestVersion: oldestVersions[name] ?? 'unknown' }
  })
}
