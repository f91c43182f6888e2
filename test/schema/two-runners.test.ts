import swagger from '@fastify/swagger'
import Fastify, { type FastifyInstance } from 'fastify'
import { jsonSchemaTransform } from 'fastify-type-provider-zod'
import pg from 'pg'
import { Registry } from 'prom-client'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { registerMetrics } from '../../src/http/register-metrics.ts'
import type { TaskExecutor, TaskManager } from '../../src/index.ts'
import asyncTasks, { type AsyncTasksOptions } from '../../src/plugin.ts'
import { advanceTime, drainTasks } from '../../src/testing/index.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

declare module 'fastify' {
  interface FastifyInstance {
    reports: TaskManager
    reportsExecutor: TaskExecutor | null
  }
}

const here = createTaskRegistry().task('same_name')(() => 'tasks')
const there = createTaskRegistry().task('same_name')(() => 'reports')

let database: TestDatabase
let pool: pg.Pool
const apps: FastifyInstance[] = []
beforeEach(async () => {
  database = await createTestDatabase('empty')
  // Of one connection each: both prepare their statements on the same ones.
  pool = new pg.Pool({ connectionString: database.directUrl, max: 2 })
  // Its last connections may still be closing when the database is dropped.
  pool.on('error', () => {})
})
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()))
  await pool.end()
  await database.drop()
})

const base = () => ({ pool, authorize: false, prepared: true }) as const
const second = { schema: 'reports', decorator: 'reports', prefix: '/api/reports' } as const

function createApp(): FastifyInstance {
  const app = Fastify({ pluginTimeout: 0 })
  apps.push(app)
  return app
}

test('two runners in one app do not see each other', async () => {
  const app = createApp()
  await app.register(swagger, { openapi: {}, transform: jsonSchemaTransform })
  await app.register(asyncTasks, { ...base(), tasks: [here] })
  await app.register(asyncTasks, { ...base(), ...second, tasks: [there] })
  await app.ready()
  expect(app.reportsExecutor).not.toBe(app.taskExecutor)

  const options = { uniqueKey: 'the only one', createdBy: 'ann' }
  const mine = await app.tasks.createTask('same_name', {}, options)
  const other = await app.reports.createTask('same_name', {}, options)
  expect(await app.tasks.waitFor(mine.taskId)).toMatchObject({ result: 'tasks' })
  expect(await app.reports.waitFor(other.taskId)).toMatchObject({ result: 'reports' })
  expect(await app.tasks.getTask(other.taskId)).toBeUndefined()
  expect(await app.reports.getTask(mine.taskId)).toBeUndefined()

  await app.tasks.pauseTaskType('same_name')
  expect(await app.reports.listTaskTypes()).toMatchObject([{ paused: false }])
  for (const [prefix, { taskId }] of [
    ['/api/admin', mine],
    ['/api/reports', other],
  ] as const) {
    const list = await app.inject(`${prefix}/tasks`)
    expect(list.json()).toMatchObject({ total: 1, tasks: [{ taskId }] })
    expect((await app.inject(`${prefix}/executors`)).json().executors).toHaveLength(1)
    expect(app.swagger().paths).toHaveProperty([`${prefix}/tasks/{taskId}`, 'get'])
  }
  // Two processes with the same schema share it.
  const third = createApp()
  await third.register(asyncTasks, {
    ...base(),
    schema: 'reports',
    tasks: [there],
    routes: false,
    executor: false,
  })
  expect(await third.tasks.getTask(other.taskId)).toMatchObject({ taskId: other.taskId })
})

test('metrics and the testing kit take one runner of several', async () => {
  const app = createApp()
  await app.register(asyncTasks, { ...base(), tasks: [here], routes: false })
  await app.register(asyncTasks, { ...base(), ...second, tasks: [there], routes: false, executor: false })
  const [all, reports] = [new Registry(), new Registry()]
  registerMetrics(app, all)
  registerMetrics(app, reports, { decorator: 'reports' })
  expect(() => registerMetrics(app, all, { decorator: 'reports' })).toThrow(
    /every runner of an app, a registry of its own/,
  )
  expect(() => registerMetrics(app, new Registry(), { decorator: 'other' })).toThrow(
    'app.other is no task manager',
  )

  await app.reports.createTask('same_name', {}, { delayMs: 60_000 })
  await advanceTime(app.reports, 60_000)
  expect(await drainTasks(app.reports)).toMatchObject([{ taskType: 'same_name', outcome: 'completed' }])
  expect(await app.tasks.listTasks()).toMatchObject({ total: 0 })
  const count = /async_tasks_tasks\{task_type="same_name",status="completed"\} 1/
  await expect.poll(() => reports.metrics()).toMatch(count)
  expect(await all.metrics()).not.toMatch(count)
})

describe('a second runner is refused, before anything is opened, with', () => {
  test.each<[string, Partial<AsyncTasksOptions>, string]>([
    ['no decorator', { prefix: '/api/reports' }, 'app.tasks exists already: .* with another decorator'],
    ["a decorator of Fastify's", { ...second, decorator: 'server' }, 'app.server exists already'],
    ['one whose executor is taken', { ...second, decorator: 'task' }, 'app.taskExecutor exists already'],
    [
      'the same prefix',
      { decorator: 'reports' },
      'prefix must be a path of this runner alone, and /api/admin has',
    ],
    [
      'the same page',
      { ...second, dashboard: true },
      'dashboard.prefix must be a path of this runner alone, and /admin has',
    ],
  ])('%s', async (_name, options, message) => {
    const app = createApp()
    await app.register(asyncTasks, { ...base(), tasks: [here], executor: false, dashboard: true })
    const registered = app.register(asyncTasks, { ...base(), tasks: [there], schema: 'reports', ...options })
    await expect(registered).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(message),
    })
    const { rows } = await pool.query(`select from pg_namespace where nspname = 'reports'`)
    expect(rows).toEqual([])
  })

  test.each(['', '1st', 'my tasks', 'a.b', 7, null])(
    'the decorator %j, which is no name',
    async (decorator) => {
      const options = { ...base(), ...second, tasks: [there], decorator } as AsyncTasksOptions
      await expect(createApp().register(asyncTasks, options)).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringContaining("decorator must be a name such as 'reports'"),
      })
    },
  )
})
