import type pg from 'pg'
import { inject } from 'vitest'
import { createPool } from '../../src/db/client.ts'
import { EngineSchema } from '../../src/db/engine-schema.ts'
import type { MigrationHistory } from '../../src/db/migrate.ts'
import { admin } from './admin.ts'
import { databaseUrl } from './database-url.ts'
import { dropDatabase, randomName, resetOrDrop, takeReset } from './reset.ts'

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
  const name = randomName()
  const schema = isOfEngine(source) ? new EngineSchema(inject('postgres').schema) : EngineSchema.public
  const history = source === 'tasks' || source === 'server' ? source : undefined
  if (!(history && (await takeReset(history, name)))) {
    await copyDatabase(templateOf(source, templatePrefix), name)
    if (!schema.isPublic) await admin().query(`alter database ${name} set search_path = ${schema.quoted}`)
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
      if (history) return await resetOrDrop(pool, name, history)
      await pool.end()
      await dropDatabase(name)
    },
  }
}

/** Not of the bundled server, whose tables refer to the engine's in public. */
function isOfEngine(source: string | TestDatabase): boolean {
  return typeof source === 'string' ? source === 'tasks' : !source.schema.isPublic
}

/** A template must have no connection, and copying it makes one: workers take turns. */
async function copyDatabase(template: string, name: string): Promise<void> {
  const client = await admin().connect()
  const turn = `hashtextextended('fastify-async-tasks tests', 0)`
  try {
    await client.query(`select pg_advisory_lock(${turn})`)
    await client.query(`create database ${name} template ${template}`)
    await client.query(`select pg_advisory_unlock(${turn})`)
    client.release()
  } catch (error) {
    // The turn ends with the connection.
    client.release(true)
    throw error
  }
}

function templateOf(source: MigrationHistory | 'empty' | TestDatabase, prefix: string): string {
  if (typeof source !== 'string') return new URL(source.directUrl).pathname.slice(1)
  return source === 'empty' ? 'template0' : `${prefix}${source}`
}
