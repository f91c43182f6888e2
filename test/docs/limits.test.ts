import Fastify from 'fastify'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import asyncTasks, { createTaskRegistry } from '../../src/index.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { examplesNotRunBy } from '../support/docs.ts'

const { task } = createTaskRegistry()
const running = new Map<string, number>()
const most = new Map<string, number>()

/** Notes how many of its kind are under way at once. */
async function beside(kind: string): Promise<void> {
  const now = (running.get(kind) ?? 0) + 1
  running.set(kind, now)
  most.set(kind, Math.max(most.get(kind) ?? 0, now))
  await new Promise((resolve) => setTimeout(resolve, 5))
  running.set(kind, now - 1 + ((running.get(kind) ?? 0) - now))
}
const resizeImage = () => beside('resize')
const askPartner = () => beside('partner')
const runImport = ({ accountId }: { accountId: number }) =>
  Promise.all([beside('imports'), beside(`import ${accountId}`)])

task('call_quota', { rateLimit: { max: 100, perSeconds: 1 } })(async () => {})
task('mail_customer', {
  params: z.object({ customerId: z.string() }),
  rateLimit: { max: 20, perSeconds: 60, key: ({ customerId }) => customerId },
})(async () => {})

const resize = task('resize', { concurrency: 2 })(resizeImage)
const callPartner = task('call_partner', { globalConcurrency: 3 })(askPartner)
const importAccount = task('import_account', {
  params: z.object({ accountId: z.int(), full: z.boolean().default(false) }),
  concurrencyKey: ({ accountId }) => `account ${accountId}`,
})(runImport)

const app = Fastify()
const other = Fastify()
let database: TestDatabase

beforeAll(async () => {
  database = await createTestDatabase()
  const { url: connectionString } = database
  const tasks = [resize, callPartner, importAccount]
  for (const server of [app, other]) {
    await server.register(asyncTasks, { connectionString, tasks, concurrency: 8, routes: false })
    await server.ready()
  }
})
afterAll(async () => {
  await Promise.all([app.close(), other.close()])
  await database.drop()
})

const completed = (taskIds: readonly { taskId: string }[]) =>
  Promise.all(taskIds.map(({ taskId }) => app.tasks.waitFor(taskId, { timeoutMs: 25_000 })))

test('every example of the page is code of this file', () => {
  expect(examplesNotRunBy(import.meta.url, 'limits.md')).toEqual([])
})

test('in each process, over all processes, and one at a time for each key', async () => {
  const items = Array.from({ length: 30 }, (_, i) => [
    { task: resize },
    { task: callPartner },
    { task: importAccount, params: { accountId: i % 3 } },
  ]).flat()
  await completed(await app.tasks.createTasks(items))
  // Two processes, which this file's handlers share.
  expect(most.get('resize')).toBeLessThanOrEqual(4)
  expect(most.get('partner')).toBeLessThanOrEqual(3)
  for (const accountId of [0, 1, 2]) expect(most.get(`import ${accountId}`)).toBe(1)
  expect(most.get('imports')).toBeGreaterThan(1)
})

test("a call's own key", async () => {
  most.delete('imports')
  const created = [
    await app.tasks.createTask(importAccount, { accountId: 7 }, { concurrencyKey: 'all accounts' }),
    await app.tasks.createTask(importAccount, { accountId: 8 }, { concurrencyKey: 'all accounts' }),
  ]
  await app.tasks.createTask(importAccount, { accountId: 7 }, { concurrencyKey: 'all accounts' })
  await completed(created)
  expect(most.get('imports')).toBe(1)
})

test('a pause and its end', async () => {
  await app.tasks.pauseTaskType('call_partner')
  const { taskId } = await app.tasks.createTask(callPartner)
  // A task of another type, created later, is run.
  await completed([await app.tasks.createTask(resize)])
  expect(await app.tasks.getTask(taskId)).toMatchObject({ status: 'pending' })
  expect(await app.tasks.listTaskTypes()).toContainEqual(
    expect.objectContaining({ taskType: 'call_partner', globalConcurrency: 3, paused: true }),
  )
  await app.tasks.resumeTaskType('call_partner')
  await completed([{ taskId }])
})
