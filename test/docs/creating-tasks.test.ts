import { drizzle } from 'drizzle-orm/node-postgres'
import { integer, pgTable } from 'drizzle-orm/pg-core'
import Fastify from 'fastify'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import asyncTasks, { createTaskRegistry } from '../../src/index.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { examplesNotRunBy } from '../support/docs.ts'
import { rememberTypes } from '../support/remember-types.ts'

const { task } = createTaskRegistry()
const sendReport = task('send_report', { params: z.object({ userId: z.int() }) })(({ userId }) => userId)
const confirmOrder = task('confirm_order', { params: z.object({ orderId: z.int() }) })(
  ({ orderId }) => orderId,
)

const app = Fastify()
let database: TestDatabase

beforeAll(async () => {
  database = await createTestDatabase()
  await rememberTypes(database.pool, 'remind')
  await database.pool.query('create table orders (id int primary key)')
  const { url: connectionString } = database
  await app.register(asyncTasks, { connectionString, tasks: [sendReport, confirmOrder], routes: false })
})
afterAll(async () => {
  await app.close()
  await database.drop()
})

test('every example of the page is code of this file', () => {
  expect(examplesNotRunBy(import.meta.url, 'creating-tasks.md')).toEqual([])
})

test('a task with options', async () => {
  const created = await app.tasks.createTask(
    sendReport,
    { userId: 7 },
    { priority: 5, delayMs: 60_000, maxRetries: 5, timeoutSeconds: 600, createdBy: 'u1' },
  )
  expect(created).toMatchObject({
    created: true,
    priority: 5,
    maxRetries: 5,
    timeoutSeconds: 600,
    createdBy: 'u1',
  })
  expect(+created.runAt - +created.createdAt).toBe(60_000)
})

test('unique keys', async () => {
  const first = await app.tasks.createTask(sendReport, { userId: 7 }, { uniqueKey: 'report 7' })
  const second = await app.tasks.createTask(sendReport, { userId: 7 }, { uniqueKey: 'report 7' })
  expect([first.created, second.created, second.taskId]).toEqual([true, false, first.taskId])
})

test('newest wins', async () => {
  const answers = []
  for (let i = 0; i < 2; i += 1) {
    const newest = {
      uniqueKey: 'newest 7',
      onDuplicate: 'replace',
      delayMs: 5_000,
      maxDelayMs: 60_000,
    } as const
    const { replaced } = await app.tasks.createTask(sendReport, { userId: 7 }, newest)
    answers.push(replaced)
  }
  expect(answers).toEqual([false, true])
})

test('expiry', async () => {
  await app.tasks.createTask(sendReport, { userId: 7 }, { expiresAt: new Date(Date.now() + 600_000) })
  const [newest] = (await app.tasks.listTasks({ pageSize: 1 })).tasks
  const { expiresAt, createdAt } = (await app.tasks.getTask(newest?.taskId ?? '')) ?? {}
  expect(Number(expiresAt) - Number(createdAt)).toBeGreaterThan(590_000)
})

test('changing a task that waits', async () => {
  const { taskId } = await app.tasks.createTask(sendReport, { userId: 7 }, { delayMs: 60_000 })
  await app.tasks.updateTask(taskId, { params: { userId: 8 }, priority: 10, runAt: new Date('2030-01-01') })
  await app.tasks.runNow(taskId)
  const changed = await app.tasks.getTask(taskId)
  expect(changed).toMatchObject({ params: { userId: 8 }, priority: 10 })
  expect(Number(changed?.runAt)).toBeLessThan(Date.now() + 60_000)
})

test('many at once', async () => {
  const [report, reminder] = await app.tasks.createTasks([
    { task: sendReport, params: { userId: 7 }, priority: 5 },
    { task: 'remind', params: { at: '09:00' }, uniqueKey: 'remind 7' },
  ])
  expect([report.priority, reminder.uniqueKey]).toEqual([5, 'remind 7'])
})

test('in a transaction', async () => {
  const db = drizzle({ client: database.pool })
  const orders = pgTable('orders', { id: integer('id').primaryKey() })
  await db.transaction(async (tx) => {
    await tx.insert(orders).values({ id: 42 })
    await app.tasks.createTask(confirmOrder, { orderId: 42 }, { tx })
  })
  const [confirmed] = (await app.tasks.listTasks({ taskType: 'confirm_order' })).tasks
  expect(await app.tasks.getTask(confirmed?.taskId ?? '')).toMatchObject({ params: { orderId: 42 } })
})
