import { execFile } from 'node:child_process'
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { promisify } from 'node:util'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { EngineSchema } from '../../src/db/engine-schema.ts'
import { migrate } from '../../src/db/migrate.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

/** What drizzle-kit does in a host's project, whose database has the engine's tables. */
const run = promisify(execFile)
const root = path.resolve(import.meta.dirname, '../..')

let database: TestDatabase
beforeEach(async () => {
  database = await createTestDatabase('empty')
  return () => database.drop()
})

const HOST_SCHEMA = `
import { pgTable, serial, text } from 'drizzle-orm/pg-core'
export const orders = pgTable('orders', { id: serial('id').primaryKey(), item: text('item').notNull() })
`

interface Project {
  run(...args: string[]): Promise<string>
  /** All that is in the folder of migrations. */
  output(): string
}

function createProject(config: object): Project {
  const folder = mkdtempSync(path.join(tmpdir(), 'drizzle-kit-host-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'))
  mkdirSync(path.join(folder, 'drizzle'))
  writeFileSync(path.join(folder, 'package.json'), '{"private":true,"type":"module"}')
  writeFileSync(path.join(folder, 'tables.ts'), HOST_SCHEMA)
  writeFileSync(path.join(folder, 'sequences.ts'), SEQUENCES)
  const base = { dialect: 'postgresql', schema: './tables.ts', out: './drizzle' }
  const dbCredentials = { url: database.directUrl }
  writeFileSync(path.join(folder, 'drizzle.json'), JSON.stringify({ ...base, dbCredentials, ...config }))
  return {
    async run(...args) {
      const bin = path.join(root, 'node_modules/drizzle-kit/bin.cjs')
      const command = [bin, ...args, '--config', 'drizzle.json']
      const { stdout, stderr } = await run(process.execPath, command, { cwd: folder })
      return stdout + stderr
    },
    output: () =>
      readdirSync(path.join(folder, 'drizzle'), { recursive: true, encoding: 'utf8' })
        .filter((name) => /\.(sql|ts|json)$/.test(name))
        .map((name) => readFileSync(path.join(folder, 'drizzle', name), 'utf8'))
        .join('\n'),
  }
}

/** Every table, index, sequence and constraint of the engine. */
async function describeEngine(): Promise<unknown[]> {
  const { rows } = await database.pool.query(
    `select c.oid, c.relname, c.relkind, c.relnamespace::regnamespace, array(
              select pg_get_constraintdef(k.oid) from pg_constraint k where k.conrelid = c.oid order by k.oid) as constraints
       from pg_class c where c.relname ~ 'async_task' order by 1`,
  )
  return rows
}

const guide = readFileSync(path.join(root, 'docs/embedding.md'), 'utf8')
const [, SEQUENCES = ''] = /```ts\n(import \{ pgSequence[\s\S]*?)```/.exec(guide) ?? []

const findOrders = async () =>
  (await database.pool.query(`select tablename from pg_tables where tablename = 'orders'`)).rows

describe('tables in a schema of their own, which the defaults of drizzle-kit leave alone', () => {
  beforeEach(async () => {
    await migrate(database.directUrl, 'tasks', { mode: 'auto', schema: new EngineSchema('jobs') })
  })

  test('in push, again and again', async () => {
    const before = await describeEngine()
    const project = createProject({})
    expect(await project.run('push', '--force')).toContain('Changes applied')
    expect(await findOrders()).toHaveLength(1)
    expect(await project.run('push', '--force')).toContain('No changes detected')
    expect(await describeEngine()).toEqual(before)
  })

  test('in pull and generate', async () => {
    await database.pool.query('create table orders (id serial primary key, item text not null)')
    const [pulled, generated] = [createProject({}), createProject({})]
    await pulled.run('pull')
    await generated.run('generate')
    for (const project of [pulled, generated]) {
      expect(project.output()).toContain('orders')
      expect(project.output()).not.toContain('async_task')
    }
  })
})

describe('tables in public, with the filter of the guide', () => {
  const filter = { tablesFilter: ['!async_task*'] }
  beforeEach(async () => {
    await migrate(database.directUrl, 'tasks', { mode: 'auto' })
  })

  test('are left alone by push, which needs the sequences of the guide', async () => {
    const before = await describeEngine()
    const project = createProject({ ...filter, schema: ['./tables.ts', './sequences.ts'] })
    expect(await project.run('push', '--force')).toContain('Changes applied')
    expect(await findOrders()).toHaveLength(1)
    expect(await project.run('push', '--force')).toContain('No changes detected')
    expect(await describeEngine()).toEqual(before)
    // Without them the guide would be wrong to ask for more than the filter.
    expect(await createProject(filter).run('push', '--force')).toContain('cannot drop sequence')
    expect(await describeEngine()).toEqual(before)
  })

  test('are not in what pull and generate write, but for sequences in pull', async () => {
    await database.pool.query('create table orders (id serial primary key, item text not null)')
    const [pulled, generated] = [createProject(filter), createProject(filter)]
    await pulled.run('pull')
    await generated.run('generate')
    expect(generated.output()).not.toContain('async_task')
    const named = pulled.output().match(/async_task\w*/g)
    expect(new Set(named)).toEqual(new Set(SEQUENCES.match(/async_task\w*/g)))
    expect(pulled.output()).toContain('orders')
  })
})
