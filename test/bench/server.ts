import { randomBytes } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createPool } from '../../src/db/client.ts'
import { startEmbedded } from '../../src/db/embedded.ts'
import { findServerCpu } from './server-cpu.ts'

export type Pool = ReturnType<typeof createPool>

export interface BenchServer {
  /** To the database that no system uses. */
  readonly admin: Pool
  /** As PostgreSQL calls itself. */
  readonly version: string
  /** Settings that differ from PostgreSQL's defaults, such as `fsync = off`. */
  readonly settings: readonly string[]
  /** CPU seconds of all its processes; undefined: it runs elsewhere. */
  readonly readCpu: (() => number) | undefined
  /** An empty database whose name ends in this one. */
  createDatabase(purpose: string): Promise<{ url: string; pool: Pool }>
  /** Ends the pools, drops the databases, and stops the server if it was started here. */
  stop(): Promise<void>
}

/**
 * The server of BENCH_DATABASE_URL, or one of our own with PostgreSQL's defaults: fsync is on.
 *
 * @param options.preload a library for the server of our own; a given one must have it already
 * @param options.given another server than that of the variable
 */
export async function startBenchServer(
  options: { preload?: string; given?: string | undefined } = {},
): Promise<BenchServer> {
  const given = options.given ?? process.env.BENCH_DATABASE_URL
  const { url, stop } = given ? { url: given, stop: async () => {} } : await startOwn(options.preload)
  const admin = createPatientPool(url, 1)
  // A given server may hold others, and several runs.
  const prefix = `bench_${randomBytes(4).toString('hex')}_`
  const databases = new Map<string, Pool>()
  try {
    return {
      admin,
      version:
        (await admin.query<{ server_version: string }>('show server_version')).rows[0]?.server_version ?? '',
      settings: await readSettings(admin),
      readCpu: await findServerCpu(admin),
      async createDatabase(purpose) {
        const name = `${prefix}${purpose}`
        await admin.query(`create database ${name}`)
        const own = new URL(url)
        own.pathname = `/${name}`
        const pool = createPatientPool(own.href, 2)
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

/** A vacuum of ten million rows may take its time. */
function createPatientPool(connectionString: string, max: number): Pool {
  const pool = createPool({ connectionString, max })
  pool.options.query_timeout = 0
  return pool
}

async function startOwn(preload: string | undefined): Promise<{ url: string; stop(): Promise<void> }> {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'fastify-async-tasks-bench-'))
  // As root the user postgres has to reach it.
  chmodSync(dataDir, 0o755)
  let server = await startEmbedded({ dataDir, onNotice: console.log })
  if (preload !== undefined) {
    const admin = createPatientPool(server.url, 1)
    await admin.query(`alter system set shared_preload_libraries = '${preload}'`)
    await admin.end()
    await server.stop()
    server = await startEmbedded({ dataDir, onNotice: console.log })
  }
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
