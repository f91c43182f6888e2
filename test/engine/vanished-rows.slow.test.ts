import { setTimeout as delay } from 'node:timers/promises'
import Fastify, { type FastifyInstance } from 'fastify'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import asyncTasks, { type AsyncTasksOptions } from '../../src/plugin.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { createGate } from '../support/engine.ts'

let database: TestDatabase
const apps: FastifyInstance[] = []

beforeEach(async () => {
  database = await createTestDatabase()
})
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()))
  await database.drop()
})

async function startApp(options: Partial<AsyncTasksOptions>) {
  const app = Fastify()
  await app.register(asyncTasks, {
    connectionString: database.url,
    directConnectionString: database.directUrl,
    prepared: database.prepared,
    routes: false,
    heartbeatIntervalMs: 200,
    leaseMs: 2_000,
    pollIntervalMs: 50,
    ...options,
  })
  await app.ready()
  apps.push(app)
  return app
}

const PATIENCE = { timeout: 60_000, interval: 100 }

test.each(['truncate async_task_types', 'delete from async_task_types'])(
  'after %s types with limits over all processes are claimed again',
  async (text) => {
    const { task } = createTaskRegistry()
    const one = task('one', { globalConcurrency: 1 })(() => 'done')
    const keyed = task('keyed', { concurrencyKey: () => 'k' })(() => 'done')
    const app = await startApp({ tasks: [one, keyed] })
    for (let round = 0; round < 2; round += 1) {
      for (const work of [one, keyed]) {
        const { taskId } = await app.tasks.createTask(work)
        expect(await app.tasks.waitFor(taskId, { timeoutMs: 30_000 })).toMatchObject({ status: 'completed' })
      }
      await database.pool.query(text)
    }
  },
)

test('an executor whose row is gone is listed again, and keeps what it runs', async () => {
  const { task } = createTaskRegistry()
  const started = createGate()
  const finish = createGate()
  const work = task('work')(async () => {
    started.open()
    await finish.opened
    return 'once'
  })
  const app = await startApp({ tasks: [work] })
  const other = await startApp({ tasks: [work], concurrency: 1 })
  const { taskId } = await app.tasks.createTask(work)
  await started.opened
  // Until both may judge others.
  await delay(2_500)
  for (let i = 0; i < 3; i += 1) {
    await database.pool.query('truncate async_task_executors')
    await expect.poll(async () => (await app.tasks.listExecutors()).length, PATIENCE).toBe(2)
  }
  finish.open()
  const ended = await other.tasks.waitFor(taskId)
  expect(ended).toMatchObject({ status: 'completed', result: 'once', retryCount: 0 })
  expect(ended.attempts).toMatchObject([{ attempt: 1, outcome: 'completed' }])
})

test('schedules of the code come back, but not those that were deleted through the API', async () => {
  const { task } = createTaskRegistry()
  const work = task('work')(() => {})
  const daily = { cron: '@daily', task: work }
  const schedules = [
    { name: 'first', ...daily },
    { name: 'second', ...daily },
  ]
  const app = await startApp({ tasks: [work], schedules })
  const other = await startApp({ tasks: [work], schedules })
  // A process that does not listen yet cannot know of it.
  const listening = `select from pg_stat_activity where datname = current_database() and query like 'listen%'`
  await expect.poll(async () => (await database.pool.query(listening)).rowCount, PATIENCE).toBe(2)
  await app.tasks.deleteSchedule('second')
  await database.pool.query('truncate async_task_schedules')
  const names = async () => (await other.tasks.listSchedules()).map(({ name }) => name)
  await expect.poll(names, PATIENCE).toEqual(['first'])
  await delay(7_000)
  expect(await names()).toEqual(['first'])
})

test('an app goes on after every table has been emptied while tasks ran', async () => {
  const { task } = createTaskRegistry()
  const started = createGate()
  const stopped = createGate()
  let runs = 0
  const work = task('work')(async (_params, ctx) => {
    runs += 1
    if (runs === 1) {
      ctx.signal.addEventListener('abort', stopped.open)
      started.open()
      await stopped.opened
    }
  })
  const app = await startApp({ tasks: [work] })
  await app.tasks.createTask(work)
  await started.opened
  await truncateAll()
  await stopped.opened
  const { taskId } = await app.tasks.createTask(work)
  expect(await app.tasks.waitFor(taskId)).toMatchObject({ status: 'completed' })
  await expect.poll(() => app.taskExecutor?.health().ok).toBe(true)
})

/** The engine's statements lock the tables in another order: the truncation may be the victim of a deadlock. */
async function truncateAll(): Promise<void> {
  try {
    await database.pool.query(
      `truncate async_tasks, async_task_executors, async_task_types, async_task_schedules, async_task_minutes,
                async_task_duties, async_task_figures, async_task_runs, async_task_error_groups, async_task_cancel_requests cascade`,
    )
  } catch (error) {
    if ((error as { code?: string }).code !== '40P01') throw error
    await truncateAll()
  }
}
