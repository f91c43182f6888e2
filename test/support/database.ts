import { randomBytes } from 'node:crypto'
import type pg from 'pg'
import { inject } from 'vitest'
import { createPool } from '../../src/db/client.ts'
import { EngineSchema } from '../../src/db/engine-schema.ts'
import type { MigrationHistory } from '../../src/db/migrate.ts'
import { databaseUrl } from './database-url.ts'
import { makePristine } from './pristine.ts'
import { withClient } from './with-client.ts'

export interface TestDatabase {
  /** Leads through PgBouncer where the run has one. */
  url: string
  /** Leads to the server itself: for LISTEN. */
  directUrl: string
  pool: pg.Pool
  /** Where the engine's tables are; unqualified names mean those. */
  schema: EngineSchema
  /** Whether named statements outlive a transaction here. */
  prepared: boolean
  /** Cuts every connection and removes the database. */
  drop(): Promise<void>
}

/**
 * A fresh database: with the engine's tables for `tasks`, with those of the bundled server as well for
 * `server`, without any for `empty`; or a copy of one to which nobody is connected.
 */
export async function createTestDatabase(
  source: MigrationHistory | 'empty' | TestDatabase = 'tasks',
): Promise<TestDatabase> {
  const { adminUrl, templatePrefix, throughUrl } = inject('postgres')
  const name = `${templatePrefix}${randomName()}`
  await withClient(adminUrl, async (admin) => {
    // A template must have no connection, and copying it makes one: workers take turns.
    await admin.query(`select pg_advisory_lock(hashtextextended('fastify-async-tasks tests', 0))`)
    if (typeof source === 'string' && (await takeReset(admin, source, name))) return
    await admin.query(`create database ${name} template ${templateOf(source, templatePrefix)}`)
  })
  const schema = isOfEngine(source) ? new EngineSchema(inject('postgres').schema) : EngineSchema.public
  if (!schema.isPublic) {
    await withClient(adminUrl, (admin) =>
      admin.query(`alter database ${name} set search_path = ${schema.quoted}`),
    )
  }
  const url = databaseUrl(throughUrl ?? adminUrl, name)
  const pool = createPool({ connectionString: url })
  return {
    url,
    directUrl: databaseUrl(adminUrl, name),
    pool,
    schema,
    prepared: throughUrl === undefined,
    async drop() {
      await pool.end()
      await withClient(adminUrl, async (admin) => {
        if (typeof source === 'string' && source !== 'empty') await reset(admin, name, source)
        await admin.query(`drop database if exists ${name} with (force)`)
      })
    },
  }
}

/** Not of the bundled server, whose tables refer to the engine's in public. */
function isOfEngine(source: string | TestDatabase): boolean {
  return typeof source === 'string' ? source === 'tasks' : !source.schema.isPublic
}

/** Copying a template costs thirty times what emptying its tables does: a used database serves again, renamed. */
async function takeReset(admin: pg.Client, source: string, name: string): Promise<boolean> {
  const { rows } = await admin.query<{ datname: string }>(
    'select datname from pg_database where starts_with(datname, $1) limit 1',
    [resetPrefix(source)],
  )
  if (!rows[0]) return false
  await admin.query(`alter database ${rows[0].datname} rename to ${name}`)
  return true
}

/** Leaves a database under its name where a test has changed more than rows. */
async function reset(admin: pg.Client, name: string, source: MigrationHistory): Promise<void> {
  const { adminUrl, templatePrefix, pristine } = inject('postgres')
  const { rowCount } = await admin.query('select from pg_database where datname = $1', [name])
  if (rowCount === 0) return
  // Under a name of its own: what a test has left running finds no database, as after a drop.
  const hidden = `${templatePrefix}${randomName()}`
  await rename(admin, name, hidden)
  const isReset = await withClient(databaseUrl(adminUrl, hidden), (client) =>
    makePristine(client, pristine[source]),
  )
  await rename(admin, hidden, isReset ? resetPrefix(source) + randomName() : name)
}

/** Cuts every connection of the database. What a test has left running may connect again before the new name is there. */
async function rename(admin: pg.Client, from: string, to: string): Promise<void> {
  const cut = 'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1'
  for (let left: number | null = 1; left; ) left = (await admin.query(cut, [from])).rowCount
  try {
    await admin.query(`alter database ${from} rename to ${to}`)
  } catch (error) {
    const isInUse = (error as { code?: string }).code === '55006'
    if (!isInUse) throw error
    await rename(admin, from, to)
  }
}

function resetPrefix(source: string): string {
  return `${inject('postgres').templatePrefix}reset_${source}_`
}

function randomName(): string {
  return randomBytes(6).toString('hex')
}

function templateOf(source: MigrationHistory | 'empty' | TestDatabase, prefix: string): string {
  if (typeof source !== 'string') return new URL(source.directUrl).pathname.slice(1)
  return source === 'empty' ? 'template0' : `${prefix}${source}`
}
