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
 * `server`, without any for `empty`.
 */
export async function createTestDatabase(
  history: MigrationHistory | 'empty' = 'tasks',
): Promise<TestDatabase> {
  const { adminUrl, templatePrefix, throughUrl } = inject('postgres')
  const name = `${templatePrefix}${randomBytes(6).toString('hex')}`
  await withAdmin(async (admin) => {
    // A template must have no connection, and copying it makes one: workers take turns.
    await admin.query(`select pg_advisory_lock(hashtextextended('fastify-async-tasks tests', 0))`)
    const template = history === 'empty' ? 'template0' : `${templatePrefix}${history}`
    await admin.query(`create database ${name} template ${template}`)
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

async function withAdmin(work: (admin: pg.Client) => Promise<unknown>): Promise<void> {
  const admin = new pg.Client({ connectionString: inject('postgres').adminUrl })
  await admin.connect()
  try {
    await work(admin)
  } finally {
    await admin.end()
  }
}
