import { drizzle } from 'drizzle-orm/node-postgres'
import { integer, pgTable } from 'drizzle-orm/pg-core'
import Fastify from 'fastify'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import asyncTasks, { createTaskRegistry } from '../../src/index.ts'
import { drainTasks, runTask } from '../../src/testing/index.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { examplesNotRunBy } from '../support/docs.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database.drop())

const { task } = createTaskRegistry()
const years = pgTable('years', { year: integer('year').notNull() })
const listFiles = async (year: number) => [`${year}.csv`, 'rest.csv']
const load = async (_file: string, _signal: AbortSignal) => 365

function define(db: ReturnType<typeof drizzle>) {
  const loadYear = task('load_year', {
    params: z.object({ year: z.int() }),
    timeoutSeconds: 4 * 3_600,
  })(async ({ year }, ctx) => {
    const files = await ctx.step('list files', () => listFiles(year))

    for (const [i, file] of files.entries()) {
      ctx.progress(i, files.length, file)
      await ctx.step(`load ${file}`, () => load(file, ctx.signal))
    }
    await ctx.sleep('settlement', { hours: 2 }) // gives the slot back

    await ctx.step('publish', (tx) => tx.insert(years).values({ year }), { tx: db }) // exactly once
  })
  return loadYear
}

test('the examples of docs/long-tasks.md run', async () => {
  expect(examplesNotRunBy(import.meta.url, 'long-tasks.md')).toEqual([])
  const { pool } = database
  await pool.query('create table years (year int not null)')
  const loadYear = define(drizzle({ client: pool }))
  const app = Fastify()
  await app.register(asyncTasks, { pool, tasks: [loadYear], routes: false, executor: false })
  await app.ready()

  const { taskId } = await app.tasks.createTask(loadYear, { year: 2025 })
  await drainTasks(app, { skipSleeps: true })
  const { steps, stepCount } = await app.tasks.waitFor(taskId)
  expect(stepCount).toBe(5)
  expect(steps[0]).toMatchObject({ name: 'list files', attempt: 1 })

  await app.tasks.retryTask(taskId, { from: 'publish' })
  await drainTasks(app)
  expect((await pool.query('select * from years')).rows).toEqual([{ year: 2025 }, { year: 2025 }])

  const run = await runTask(loadYear, { year: 2025 }, { steps: { 'list files': ['a.csv'] } })
  expect(run.steps).toEqual([{ name: 'load a.csv', result: 365 }])
  expect(run.sleep).toEqual({ name: 'settlement', delayMs: 7_200_000 })
  await app.close()
})
