import type { EngineSchema } from './engine-schema.ts'
import { readMigrations } from './migrations.ts'

const CREATED = /CREATE (UNIQUE )?INDEX "(\w+)" ON "(\w+)" ([^;]+);?/g
const DROPPED = /DROP INDEX (?:IF EXISTS )?"(\w+)"/g
const TABLE = /CREATE TABLE "(\w+)" \(([\s\S]*?)\n\);/g
/** The index of a constraint has its name. */
const CONSTRAINT = /CONSTRAINT "(\w+)" (?:PRIMARY KEY|UNIQUE)\(([^)]+)\)/g
const KEY_COLUMN = /^\s*("\w+") .*\bPRIMARY KEY\b/gm
const NAME = /"(\w+)"/g

export interface ExpectedIndex {
  readonly columns: readonly string[]
  readonly isUnique: boolean
  readonly isPartial: boolean
  /** Builds it beside running processes. */
  readonly create: string
}

/** The indexes that the migrations leave behind, by their names. */
export function expectedIndexes(schema: EngineSchema): Map<string, ExpectedIndex> {
  const indexes = new Map<string, ExpectedIndex>()
  const add = (name: string, table: string, rest: string, isUnique = true) => {
    const [columns = ''] = rest.split(/ where /i)
    indexes.set(name, {
      columns: [...columns.matchAll(NAME)].map(([, column = '']) => column),
      isUnique,
      isPartial: columns !== rest,
      create: `create ${isUnique ? 'unique ' : ''}index concurrently ${name} on ${schema.quoted}.${table} ${rest}`,
    })
  }
  for (const text of readMigrations('tasks', schema).flatMap(({ sql }) => sql)) {
    for (const [, name = ''] of text.matchAll(DROPPED)) indexes.delete(name)
    for (const [, table = '', body = ''] of text.matchAll(TABLE)) {
      for (const [, column = ''] of body.matchAll(KEY_COLUMN)) add(`${table}_pkey`, table, `(${column})`)
      for (const [, name = '', columns = ''] of body.matchAll(CONSTRAINT)) add(name, table, `(${columns})`)
    }
    for (const [, unique, name = '', table = '', rest = ''] of text.matchAll(CREATED)) {
      add(name, table, rest.replaceAll(`"${table}".`, '').trim(), unique !== undefined)
    }
  }
  return indexes
}
