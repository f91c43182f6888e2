import { readFileSync } from 'node:fs'
import Fastify from 'fastify'
import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import asyncTasks, { createTaskRegistry } from '../src/index.ts'
import { createTestDatabase, type TestDatabase } from './support/database.ts'

/** `pg`'s default, and that of the plugin's own pool. */
const POOL_MAX = 10
const PATIENCE = { timeout: 60_000, interval: 200 }

let database: TestDatabase
let watch: pg.Client

beforeEach(async () => {
  database = await createTestDatabase()
  watch = new pg.Client({ connectionString: database.directUrl })
  await watch.connect()
})

afterEach(async () => {
  await watch.end()
  await database.drop()
})

async function countConnections(): Promise<number> {
  const { rows } = await watch.query<{ count: number }>(
    `select count(*)::int as count from pg_stat_activity
      where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()`,
  )
  return rows[0]?.count ?? 0
}

test('a process holds three connections at rest, and never more than the guide says', PATIENCE, async () => {
  const guide = readFileSync(new URL('../docs/operations.md', import.meta.url), 'utf8')
  const [, beside] = /\*\*`DATABASE_POOL_MAX` \+ (\d+)\*\*/.exec(guide) ?? []
  const { task } = createTaskRegistry()
  const work = task('work')(async (_params, ctx) => ctx.log.info('worked'))
  const app = Fastify()
  await app.register(asyncTasks, {
    connectionString: database.url,
    directConnectionString: database.directUrl,
    tasks: [work],
    concurrency: 50,
    authorize: false,
  })
  try {
    await app.ready()
    const counts: number[] = []
    const load = Promise.all(
      Array.from({ length: 100 }, async () => {
        const { taskId } = await app.tasks.createTask(work)
        await Promise.all([app.tasks.waitFor(taskId), app.tasks.listTasks(), app.tasks.stats()])
        counts.push(await countConnections())
      }),
    )
    await load
    expect(Math.max(...counts)).toBeGreaterThan(3)
    expect(Math.max(...counts)).toBeLessThanOrEqual(POOL_MAX + Number(beside))
    await expect.poll(countConnections).toBe(3)
  } finally {
    await app.close()
  }
  await expect.poll(countConnections).toBe(0)
})
