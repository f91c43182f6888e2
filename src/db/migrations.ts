import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { ENGINE_MIGRATIONS } from './engine-migrations.ts'
import type { EngineSchema } from './engine-schema.ts'

export type MigrationHistory = 'tasks' | 'server'

export interface Migration {
  readonly name: string
  /** When it was made, by the journal: the order of the migrations. */
  readonly folderMillis: number
  readonly hash: string
  readonly sql: readonly string[]
  /** Earlier versions of this package do not work beside it. */
  readonly oldestVersion: string
}

type MigrationFile = (typeof ENGINE_MIGRATIONS)[number]

/** The migrations that this version knows, in order; those of the engine for tables in `schema`. */
export function readMigrations(history: MigrationHistory, schema: EngineSchema): Migration[] {
  if (history === 'server') return readServerFiles().map((file) => toMigration(file, file.text))
  return ENGINE_MIGRATIONS.map((file) => toMigration(file, schema.renameMigration(file.text)))
}

/** Reads a file as Drizzle 0.45 does: from 1.0 on, its own function refuses folders with a journal. */
function toMigration({ name, when, oldestVersion, text }: MigrationFile, renamed: string): Migration {
  const hash = createHash('sha256').update(text).digest('hex')
  return { name, oldestVersion, folderMillis: when, hash, sql: renamed.split('--> statement-breakpoint') }
}

function readServerFiles(): MigrationFile[] {
  const folder = fileURLToPath(new URL('../../migrations/server', import.meta.url))
  const read = (file: string) => readFileSync(`${folder}/${file}`, 'utf8')
  const journal: { entries: { tag: string; when: number }[] } = JSON.parse(read('meta/_journal.json'))
  const oldestVersions: Record<string, string> = JSON.parse(read('oldest-versions.json'))
  return journal.entries.map(({ tag, when }) => ({
    name: tag,
    when,
    oldestVersion: oldestVersions[tag] ?? 'unknown',
    text: read(`${tag}.sql`),
  }))
}
