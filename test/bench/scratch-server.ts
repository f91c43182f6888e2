import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { startEmbedded } from '../../src/db/embedded.ts'
import { migrate } from '../../src/db/migrate.ts'

/** Runs `work` on a PostgreSQL of its own, with the engine's tables, of which nothing is left. */
export async function withScratchServer(
  options: { durable: boolean },
  work: (url: string) => Promise<void>,
): Promise<void> {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'fastify-async-tasks-bench-'))
  // Started as root, PostgreSQL runs as a user that has to reach it.
  chmodSync(dataDir, 0o755)
  const server = await startEmbedded({ dataDir, ...options, onNotice: console.log })
  try {
    await migrate({ connectionString: server.url }, 'tasks', { mode: 'auto' })
    await work(server.url)
  } finally {
    await server.stop()
    rmSync(dataDir, { recursive: true, force: true })
  }
}

/** The numbers at these parts of all, and the largest. */
export function describe(numbers: readonly number[]): { p50: number; p95: number; p99: number; max: number } {
  const sorted = numbers.toSorted((a, b) => a - b)
  const at = (part: number) =>
    Number((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN).toFixed(2))
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) }
}
