import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { startEmbedded } from '../../src/db/embedded.ts'

/** A PostgreSQL of its own for scripts that make pictures. */
export async function createScratchDatabase(): Promise<{
  url: string
  pool: pg.Pool
  drop(): Promise<void>
}> {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'fastify-async-tasks-pictures-'))
  // As root the user postgres has to reach it.
  chmodSync(dataDir, 0o755)
  const server = await startEmbedded({ dataDir, durable: false, onNotice: console.log })
  const pool = new pg.Pool({ connectionString: server.url })
  return {
    url: server.url,
    pool,
    async drop() {
      await pool.end()
      await server.stop()
      rmSync(dataDir, { recursive: true, force: true })
    },
  }
}
