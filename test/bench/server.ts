import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createPool } from '../../src/db/client.ts'
import { startEmbedded } from '../../src/db/embedded.ts'

export type Pool = ReturnType<typeof createPool>

export interface BenchServer {
  /** As PostgreSQL calls itself. */
  readonly version: string
  /** Settings that differ from PostgreSQL's defaults, such as `fsync = off`. */
  readonly settings: readonly string[]
  /** An empty database of that name on it; one left by an earlier run is dropped. */
  createDatabase(name: string): Promise<{ url: string; pool: Pool }>
  /** Ends the pools, drops the databases, and stops the server if it was started here. */
  stop(): Promise<void>
}

/** The server of BENCH_DATABASE_URL, or one of our own with PostgreSQL's defaults: fsync is on. */
export async function startBenchServer(): Promise<BenchServer> {
  const given = process.env.BENCH_DATABASE_URL
  const { url, stop } = given ? { url: given, stop: async () => {} } : await startOwn()
  const admin = createPool({ connectionString: url, max: 1 })
  const databases = new Map<string, Pool>()
  try {
    return {
      version:
        (await admin.query<{ server_version: string }>('show server_version')).rows[0]?.server_version ?? '',
      settings: await readSettings(admin),
      async createDatabase(name) {
        await admin.query(`drop database if exists ${name} with (force)`)
        await admin.query(`create database ${name}`)
        const own = new URL(url)
        own.pathname = `/${name}`
        const pool = createPool({ connectionString: own.href, max: 2 })
        databases.set(name, pool)
        return { url: own.href, pool }
      },
      async stop() {
        await Promise.all([...databases.values()].map((pool) => pool.end()))
        for (const name of databases.keys()) await admin.query(`drop database ${name} with (force)`)
        await admin.end()
        await stop()
      },
    }
  } catch (error) {
    await admin.end()
    await stop()
    throw error
  }
}

async function startOwn(): Promise<{ url: string; stop(): Promise<void> }> {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'fastify-async-tasks-bench-'))
  // As root the user postgres has to reach it.
  chmodSync(dataDir, 0o755)
  const server = await startEmbedded({ dataDir, onNotice: console.log })
  return {
    url: server.url,
    async stop() {
      await server.stop()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}

/** What says where it is, or how it is reached, tells nothing about its speed. */
const TELLING = [
  'shared_buffers',
  'fsync',
  'synchronous_commit',
  'full_page_writes',
  'wal_level',
  'max_wal_size',
  'jit',
]

async function readSettings(admin: Pool): Promise<string[]> {
  const { rows } = await admin.query<{ setting: string }>(
    `select name || ' = ' || current_setting(name) as setting
       from pg_settings
      where name = any($1::text[])
      order by name`,
    [TELLING],
  )
  return rows.map(({ setting }) => setting)
}
