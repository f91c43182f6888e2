import { drizzle } from 'drizzle-orm/node-postgres'
import Fastify, { type FastifyInstance } from 'fastify'
import pg from 'pg'
import { beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { asyncTasksIn } from '../../src/engine/store/schema.ts'
import type { TaskExecutor, TaskManager } from '../../src/index.ts'
import asyncTasks from '../../src/plugin.ts'
import { createTestDatabase } from '../support/database.ts'
import { blocksOf, examplesNotRunBy } from '../support/docs.ts'

declare module 'fastify' {
  interface FastifyInstance {
    reports: TaskManager
    reportsExecutor: TaskExecutor | null
  }
}

const { task } = createTaskRegistry()
const hello = task('hello')(async () => (await pool.query(`select 'world' as said`)).rows[0].said)
const monthly = task('monthly', { params: z.object({ month: z.string() }) })(({ month }) => month)
const tasks = [hello]
const reportTasks = [monthly]
const authorize = () => ({ id: 'ada' })

let connectionString: string
let pool: pg.Pool
let app: FastifyInstance

beforeEach(async () => {
  const database = await createTestDatabase('empty')
  connectionString = database.directUrl
  pool = new pg.Pool({ connectionString })
  // Its last connections may still be closing when the database is dropped.
  pool.on('connect', (client) => client.on('error', () => {}))
  app = Fastify({ pluginTimeout: 0 })
  return async () => {
    await app.close()
    if (!pool.ended) await pool.end()
    await database.drop()
  }
})

test('every example of docs/embedding.md and docs/dashboard.md is run here', () => {
  const forDrizzleKit = blocksOf('docs/embedding.md').find(({ text }) => text.includes('pgSequence'))?.text
  const left = examplesNotRunBy(import.meta.url, 'embedding.md', ['ts', 'js'])
  expect(left.filter((part) => !forDrizzleKit?.includes(part))).toEqual([])
  expect(examplesNotRunBy(import.meta.url, 'dashboard.md', ['js'])).toEqual([])
})

test('a schema of your own, and its tables', async () => {
  await app.register(asyncTasks, { pool, schema: 'jobs', tasks, authorize })
  await app.ready()
  const { taskId } = await app.tasks.createTask(hello)
  await app.tasks.waitFor(taskId)

  const { asyncTasks: jobs, asyncTaskLogs } = asyncTasksIn('jobs') // Drizzle tables, for your own queries
  const db = drizzle({ client: pool })
  expect(await db.select({ taskId: jobs.taskId, status: jobs.status }).from(jobs)).toEqual([
    { taskId, status: 'completed' },
  ])
  expect(await db.$count(asyncTaskLogs)).toBe(0)
})

test('a pool that is closed after the handlers', async () => {
  app.addHook('onClose', () => pool.end())
  await app.register(asyncTasks, { pool, tasks, authorize })
  await app.ready()
  const { taskId } = await app.tasks.createTask(hello)
  expect((await app.tasks.waitFor(taskId)).result).toBe('world')
  await app.close()
  expect(pool.ended).toBe(true)
})

test('two runners in one app', async () => {
  await app.register(asyncTasks, { pool, tasks, authorize })
  await app.register(asyncTasks, {
    ...{ pool, authorize, tasks: reportTasks },
    schema: 'reports',
    decorator: 'reports',
    prefix: '/api/reports',
  })
  await app.reports.createTask(monthly, { month: '2030-01' })
  await app.ready()
  const typesAt = async (prefix: string) =>
    (await app.inject(`${prefix}/tasks`)).json<{ tasks: { taskType: string }[] }>().tasks
  expect(await typesAt('/api/reports')).toMatchObject([{ taskType: 'monthly' }])
  expect(await typesAt('/api/admin')).toEqual([])
})

test('the admin page', async () => {
  await app.register(asyncTasks, { connectionString, authorize, dashboard: true })
  await app.ready()
  expect((await app.inject('/admin/')).statusCode).toBe(200)
})
