import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { getTableColumns, getTableName, is } from 'drizzle-orm'
import { PgTable } from 'drizzle-orm/pg-core'
import * as schema from '../../src/engine/store/schema.ts'
import { type Declaration, Declarations } from './declarations.ts'

const ROOT = path.resolve(import.meta.dirname, '../..')
export const REPORT = path.join(import.meta.dirname, 'report.md')

const manifest = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as {
  exports: Record<string, string | { types: string }>
}

/** The entry points: what they are imported as, and their declarations. */
const ENTRIES = Object.entries(manifest.exports).flatMap(([name, target]) =>
  typeof target === 'string'
    ? []
    : [{ name: path.posix.join('fastify-async-tasks', name), types: target.types }],
)

/** The published declarations, in a folder. */
export async function emitDeclarations(folder: string): Promise<void> {
  const tsc = path.join(ROOT, 'node_modules/typescript/bin/tsc')
  const options = ['-p', 'tsconfig.build.json', '--emitDeclarationOnly', '--outDir', folder]
  await promisify(execFile)(process.execPath, [tsc, ...options], { cwd: ROOT })
}

interface PublicTypes {
  readonly entries: readonly { readonly name: string; readonly exports: ReadonlyMap<string, Declaration> }[]
  /** What those refer to and do not export. */
  readonly others: readonly Declaration[]
}

export function readPublicTypes(folder: string): PublicTypes {
  const declarations = new Declarations(folder)
  const entries = ENTRIES.map(({ name, types }) => ({
    name,
    // The tables are published as sources, which have the same exports.
    exports: declarations.exportsOf(types.replace('./dist/', '').replace(/(?<!\.d)\.ts$/, '.d.ts')),
  }))
  const exported = entries.flatMap(({ exports }) => [...exports.values()])
  const known = new Set(exported.map(keyOf))
  const others = declarations.reach(exported).filter((one) => !known.has(keyOf(one)))
  return { entries, others: others.sort((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1)) }
}

const keyOf = ({ name, file }: Declaration) => `${name} ${file}`

/** Exports and members without docs. */
export function findUndocumented({ entries, others }: PublicTypes): string[] {
  const exported = new Set(entries.flatMap(({ exports }) => [...exports.values()]))
  const missing = [...exported].filter(({ hasDoc }) => !hasDoc).map(({ file, name }) => `${file}: ${name}`)
  const members = [...exported, ...others].flatMap(({ file, name, undocumented }) =>
    undocumented.map((member) => `${file}: ${name}.${member}`),
  )
  return [...new Set([...missing, ...members])].sort()
}

/** The public types without their docs, for a reader of a change. */
export function makeReport({ entries, others }: PublicTypes): string {
  const parts = [
    '# Public types\n\nWritten by `npm run api`. A change here is a change of what the package promises.\n',
  ]
  const shown = new Map<string, string>()
  for (const { name, exports } of entries) {
    parts.push(`## ${name}\n`)
    for (const [exported, declaration] of exports) {
      const before = shown.get(keyOf(declaration))
      if (before !== undefined) parts.push(`\`${exported}\`: that of \`${before}\`\n`)
      else parts.push(block(declaration))
      shown.set(keyOf(declaration), name)
    }
  }
  parts.push('## Types that these refer to\n', ...others.map(block))
  return parts.join('\n')
}

function block({ name, text }: Declaration): string {
  const table: unknown = text.includes('PgTableWithColumns<') ? Reflect.get(schema, name) : undefined
  return `\`\`\`ts\n${is(table, PgTable) ? describeTable(name, table) : text}\n\`\`\`\n`
}

/** Drizzle's type of a table is a page long. */
function describeTable(name: string, table: PgTable): string {
  const columns = Object.entries(getTableColumns(table)).map(
    ([key, column]) => `  ${key}: ${column.getSQLType()}${column.notNull ? ', not null' : ''}`,
  )
  return [`export declare const ${name}: table ${getTableName(table)}`, ...columns].join('\n')
}
