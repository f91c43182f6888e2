import Fastify from 'fastify'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { createPool } from '../../../src/db/client.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import asyncTasks, { type AsyncTasksOptions } from '../../../src/plugin.ts'
import { createTestDatabase, type TestDatabase } from '../../support/database.ts'
import { startFaultProxy } from '../../support/fault-proxy.ts'

const { task } = createTaskRegistry()
const report = task('report', { params: z.object({ n: z.int() }) })(() => {})
const daily = { name: 'daily', cron: '@daily', task: report, params: { n: 1 } }

async function prepareDatabase(): Promise<TestDatabase> {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  return database
}

async function createApp(options: Partial<AsyncTasksOptions>) {
  const app = Fastify({ pluginTimeout: 0 })
  onTestFinished(() => app.close())
  await app.register(asyncTasks, { tasks: [report], routes: false, migrate: false, ...options })
  return app
}

test.each([true, false])(
  'an app with executor: %s makes its schedules before it is ready',
  async (executor) => {
    const { url, schema } = await prepareDatabase()
    const app = await createApp({ connectionString: url, schema: schema.name, executor, schedules: [daily] })
    await app.ready()
    expect(await app.tasks.listSchedules()).toMatchObject([{ name: 'daily', declared: true }])
  },
)

test.each([
  [{ cron: '* *' }, /"\* \*" is no cron expression/],
  [{ timeZone: 'Nowhere' }, /"Nowhere" is no time zone/],
  [{ params: { n: 'x' } }, /params of 'report' are invalid: \/n/],
  [{ task: 'bad type' }, /task type "bad type"/],
])('an app whose code says %j does not start', async (wrong, message) => {
  const { url, schema, pool } = await prepareDatabase()
  const schedules = [daily, { ...daily, name: 'wrong', ...wrong }]
  const app = await createApp({ connectionString: url, schema: schema.name, schedules })
  await expect(app.ready()).rejects.toThrow(message)
  expect((await pool.query('select from async_task_schedules')).rowCount).toBe(0)
})

test('an app that starts while the database is away makes its schedules when it is back', async () => {
  const database = await prepareDatabase()
  const proxy = await startFaultProxy(database.url)
  onTestFinished(() => proxy.close())
  const pool = createPool({ connectionString: proxy.url })
  onTestFinished(() => pool.end())
  proxy.set('reset')
  const app = await createApp({ pool, schema: database.schema.name, schedules: [daily] })
  await app.ready()
  proxy.set('none')
  const names = async () => (await database.pool.query('select name from async_task_schedules')).rows
  await expect.poll(names).toEqual([{ name: 'daily' }])
  await app.close()
})

test('an app that starts while a transaction holds a schedule declares it when that ends', async () => {
  const { url, schema, pool } = await prepareDatabase()
  const first = await createApp({ connectionString: url, schema: schema.name, schedules: [daily] })
  await first.ready()
  await first.close()
  const holder = await pool.connect()
  try {
    await holder.query('begin')
    await holder.query('select from async_task_schedules for update')
    const schedules = [{ ...daily, cron: '@hourly' }]
    const app = await createApp({ connectionString: url, schema: schema.name, schedules })
    await app.ready()
    expect(await app.tasks.getSchedule('daily')).toMatchObject({ cron: '@daily' })
    const declared = app.tasks.declareSchedules(schedules)
    await expect(declared).rejects.toMatchObject({
      code: 'SCHEDULE_BUSY',
      message: expect.stringContaining("schedule 'daily'"),
    })
    await holder.query('commit')
    await expect.poll(() => app.tasks.getSchedule('daily')).toMatchObject({ cron: '@hourly' })
  } finally {
    holder.release()
  }
})
