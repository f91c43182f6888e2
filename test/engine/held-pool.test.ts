import Fastify from 'fastify'
import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { endPool } from '../../src/db/client.ts'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import asyncTasks from '../../src/plugin.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { createGate } from '../support/engine.ts'

let database: TestDatabase
/** A host's: it waits for connections without a limit. */
let pool: pg.Pool

beforeEach(async () => {
  database = await createTestDatabase()
  pool = new pg.Pool({ connectionString: database.url, max: 4 })
  pool.on('error', () => {})
})
afterEach(async () => {
  await endPool(pool, 5_000)
  await database.drop()
})

async function startApp(tasks: Parameters<typeof asyncTasks>[1]['tasks'] & object) {
  const app = Fastify()
  const options = { pool, tasks, concurrency: 6, prepared: database.prepared, authorize: false as const }
  await app.register(asyncTasks, { ...options, directConnectionString: database.directUrl })
  await app.ready()
  return app
}

test('handlers that hold every connection of the pool create tasks, and others list and cancel them', async () => {
  const { task } = createTaskRegistry()
  const all = createGate()
  const goOn = createGate()
  let holding = 0
  const child = task('child')(() => {})
  const greedy = task('greedy')(async (_params, ctx) => {
    const client = await pool.connect()
    try {
      holding += 1
      if (holding === 4) all.open()
      await all.opened
      const { taskId } = await ctx.createTask(child, {}, { delayMs: 600_000 })
      const unique = await ctx.createTask(child, {}, { uniqueKey: ctx.taskId, delayMs: 600_000 })
      await goOn.opened
      return [taskId, unique.taskId]
    } finally {
      client.release()
    }
  })
  const app = await startApp([child, greedy])
  const created = await app.tasks.createTasks(Array.from({ length: 4 }, () => ({ task: greedy })))
  await all.opened
  await expect.poll(async () => (await app.tasks.listTasks({ taskType: 'child' })).total).toBe(8)
  const listed = await app.inject('/api/admin/tasks?taskType=child')
  expect(listed.statusCode).toBe(200)
  const [first] = listed.json().tasks
  const cancelled = await app.inject({ method: 'POST', url: `/api/admin/tasks/${first.taskId}/cancel` })
  expect(cancelled.json()).toMatchObject({ status: 'cancelled' })
  expect(app.taskExecutor?.health()).toMatchObject({
    ok: true,
    warnings: [expect.stringContaining('all 4 connections of the pool')],
  })
  goOn.open()
  for (const { taskId } of created) {
    expect(await app.tasks.waitFor(taskId)).toMatchObject({ status: 'completed' })
  }
  // Connections that came too late were given back.
  await expect.poll(() => app.taskExecutor?.health().warnings).toEqual([])
  expect({ waiting: pool.waitingCount, held: pool.totalCount - pool.idleCount }).toEqual({
    waiting: 0,
    held: 0,
  })
  await app.close()
})

test('an app whose pool is held closes in order', async () => {
  const { task } = createTaskRegistry()
  const held = createGate()
  const greedy = task('greedy')(async (_params, ctx) => {
    const clients = await Promise.all(Array.from({ length: 4 }, () => pool.connect()))
    held.open()
    while (!ctx.signal.aborted) await ctx.createTask('greedy', {}, { delayMs: 600_000 })
    for (const client of clients) client.release()
  })
  const app = await startApp([greedy])
  const { taskId } = await app.tasks.createTask(greedy)
  await held.opened
  await app.tasks.cancelTask(taskId)
  await app.close()
})

test('the wait for a connection ends with an error that names the pool', async () => {
  const { task } = createTaskRegistry()
  const app = Fastify()
  await app.register(asyncTasks, {
    pool,
    tasks: [task('work')(() => {})],
    executor: false,
    routes: false,
    prepared: database.prepared,
    heartbeatIntervalMs: 100,
    leaseMs: 1_000,
  })
  await app.ready()
  const clients = await Promise.all(Array.from({ length: 4 }, () => pool.connect()))
  const blocker = new pg.Client({ connectionString: database.directUrl })
  await blocker.connect()
  await blocker.query('begin; lock table async_tasks')
  const answers = await Promise.allSettled(Array.from({ length: 8 }, () => app.tasks.listTasks()))
  const codes = answers.map((answer) => answer.status === 'rejected' && answer.reason.code)
  expect(codes).toContain('NO_CONNECTION')
  const refused = answers.find(
    (answer) => answer.status === 'rejected' && answer.reason.code === 'NO_CONNECTION',
  )
  expect(refused).toMatchObject({ reason: { message: expect.stringContaining('all 4 of the pool') } })
  await blocker.end()
  for (const client of clients) client.release()
  expect((await app.tasks.listTasks()).total).toBe(0)
  await app.close()
})
