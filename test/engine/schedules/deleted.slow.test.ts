import Fastify from 'fastify'
import pg from 'pg'
import { expect, onTestFinished, test, vi } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import asyncTasks, { type AsyncTasksOptions } from '../../../src/plugin.ts'
import { createTestDatabase } from '../../support/database.ts'
import { startFaultProxy } from '../../support/fault-proxy.ts'

const report = createTaskRegistry().task('report')(() => {})
const daily = { name: 'daily', cron: '@daily', task: report }

async function createApp(options: Partial<AsyncTasksOptions>) {
  const app = Fastify({ pluginTimeout: 0 })
  onTestFinished(() => app.close())
  await app.register(asyncTasks, { tasks: [report], routes: false, migrate: false, ...options })
  await app.ready()
  return app
}

/** An app that declares a schedule and receives notifications through the proxy, and another one. */
async function createApps() {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  const proxy = await startFaultProxy(database.directUrl)
  onTestFinished(() => proxy.close())
  const here = { connectionString: database.url, schema: database.schema.name }
  const start = () => createApp({ ...here, directConnectionString: proxy.url, schedules: [daily] })
  return { proxy, start, pool: database.pool, other: await createApp({ ...here, executor: false }) }
}

/** Resolves after so many checks of what is missing. */
async function checks(count: number): Promise<void> {
  const query = vi.spyOn(pg.Client.prototype, 'query')
  const isCheck = ([config]: unknown[]) => JSON.stringify(config).includes('as given (name)')
  try {
    await expect.poll(() => query.mock.calls.filter(isCheck).length).toBeGreaterThanOrEqual(count)
  } finally {
    query.mockRestore()
  }
}

test('a declared schedule that is deleted where no notification arrives stays deleted', async () => {
  const { proxy, start, other } = await createApps()
  proxy.set('reset')
  await start()
  await other.tasks.deleteSchedule('daily')
  await checks(3)
  expect(await other.tasks.listSchedules()).toEqual([])
})

test('one that is deleted while notifications are interrupted stays deleted', async () => {
  const { proxy, start, other, pool } = await createApps()
  await start()
  const listeners = async () => {
    const { rows } = await pool.query(
      `select from pg_stat_activity
        where application_name = 'fastify-async-tasks listener' and datname = current_database() and query ~ '^listen'`,
    )
    return rows.length
  }
  await expect.poll(listeners).toBe(1)
  proxy.set('reset')
  await other.tasks.deleteSchedule('daily')
  proxy.set('none')
  await checks(4)
  expect(await other.tasks.listSchedules()).toEqual([])
})

test('one whose row vanishes in another way is inserted again', async () => {
  const { start, other, pool } = await createApps()
  await start()
  await pool.query('delete from async_task_schedules')
  await expect.poll(() => other.tasks.getSchedule('daily')).toMatchObject({ declared: true })
})
