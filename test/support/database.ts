import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { inject } from 'vitest'
import { createPool } from '../../src/db/client.ts'
import type { MigrationHistory } from '../../src/db/migrate.ts'
import { databaseUrl } from './database-url.ts'

export interface TestDatabase {
  /** Leads through PgBouncer where the run has one. */
  url: string
  /** Leads to the server itself: for LISTEN. */
  directUrl: string
  pool: pg.Pool
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
  const name = `${templatePrefix}${randomBytes(6).toString('hex')}`
  await withAdmin(async (admin) => {
    // A template must have no connection, and copying it makes one: workers take turns.
    await admin.query(`select pg_advisory_lock(hashtextextended('fastify-async-tasks tests', 0))`)
    await admin.query(`create database ${name} template ${templateOf(source, templatePrefix)}`)
  })
  const url = databaseUrl(throughUrl ?? adminUrl, name)
  const pool = createPool({ connectionString: url })
  return {
    url,
    directUrl: databaseUrl(adminUrl, name),
    pool,
    prepared: throughUrl === undefined,
    async drop() {
      await pool.end()
      await withAdmin((admin) => admin.query(`drop database if exists ${name} with (force)`))
    },
  }
}

function templateOf(source: MigrationHistory | 'empty' | TestDatabase, prefix: string): string {
  if (typeof source !== 'string') return new URL(source.directUrl).pathname.slice(1)
  return source === 'empty' ? 'template0' : `${prefix}${source}`
}

async function withAdmin(work: (admin: pg.Client) => Promise<unknown>): Promise<void> {
  const admin = new pg.Client({ connectionString: inject('postgres').adminUrl })
  await admin.connect()
  try {
    await work(admin)
  } finally {
    await admin.end()
  }
}
