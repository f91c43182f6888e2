import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { drizzle } from 'drizzle-orm/node-postgres'
import { integer, pgTable } from 'drizzle-orm/pg-core'
import Fastify, { type FastifyInstance } from 'fastify'
import pg from 'pg'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { PermanentError, RetryAfter } from '../../src/engine/definition/errors.ts'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import asyncTasks from '../../src/plugin.ts'
import { runTask } from '../../src/testing/index.ts'
import { createTestDatabase } from '../support/database.ts'
import { examplesNotRunBy } from '../support/docs.ts'

const { task } = createTaskRegistry()
const authorize = () => ({ id: 'ada' })
const mailed: unknown[] = []
const mail = async (orderId: unknown, { signal }: { signal: AbortSignal }) => {
  signal.throwIfAborted()
  mailed.push(orderId)
}

const sendInvoice = task('send_invoice')(async ({ orderId }, ctx) => {
  await mail(orderId, { signal: ctx.signal }) // aborts on cancel, timeout and shutdown
})

const feed = z.array(z.object({ name: z.string() }))

const importFeed = task('import_feed', {
  params: z.object({ url: z.url(), limit: z.int().positive().default(1_000) }),
  timeoutSeconds: 600,
  maxRetries: 5,
})(async ({ url, limit }, ctx) => {
  // Aborts on cancel, timeout, loss of the lease, and shutdown.
  const response = await fetch(url, { signal: ctx.signal })
  if (response.status === 404) throw new PermanentError(`${url} is gone`) // fails at once
  if (response.status === 429) throw new RetryAfter(30_000) // the next attempt in 30 s
  if (!response.ok) throw new Error(`HTTP ${response.status}`) // retried after 1 s, 2 s, 4 s …

  const items = feed.parse(await response.json()).slice(0, limit)
  for (const [index, { name }] of items.entries()) {
    ctx.progress(index + 1, items.length, name) // as often as you like
  }
  ctx.log.info('imported', { items: items.length }) // in the task's log and in the server's
  return { items: items.length } // the task's result
})

const books = pgTable('books', { id: integer() })
const rowsLoaded = task('rows_loaded')(async (_params, ctx) => {
  const db = drizzle(pool)
  await db.transaction(async (tx) => {
    await ctx.guard(tx) // throws TASK_LOST if the task was cancelled or lost; otherwise locks it until the commit
    await tx.insert(books).values({ id: 1 })
    await ctx.complete(tx, { rows: 1 }) // completes the task in the same commit: these rows are written exactly once
  })
})

let app: FastifyInstance
let pool: pg.Pool
let connectionString: string

beforeAll(async () => {
  const database = await createTestDatabase()
  connectionString = database.directUrl
  pool = new pg.Pool({ connectionString })
  await pool.query('create table books (id int)')
  return async () => {
    await pool.end()
    await database.drop()
  }
})

test('every TypeScript example of the README is run here', () => {
  expect(examplesNotRunBy(import.meta.url, '../README.md')).toEqual([])
})

test('the first lines create a task in a transaction, and serve the admin page', async () => {
  app = Fastify({ pluginTimeout: 0 })
  onTestFinished(() => app.close())
  await app.register(asyncTasks, { connectionString, tasks: [sendInvoice], authorize, dashboard: true })
  await app.ready()
  const tx = await pool.connect()
  await tx.query('begin')
  await app.tasks.createTask(sendInvoice, { orderId: 42 }, { tx }) // exists if and only if your transaction commits
  await tx.query('rollback')
  await tx.query('begin')
  const { taskId } = await app.tasks.createTask(sendInvoice, { orderId: 43 }, { tx })
  await tx.query('commit')
  tx.release()
  expect((await app.tasks.waitFor(taskId)).status).toBe('completed')
  expect(mailed).toEqual([43])
  expect((await app.inject('/admin/')).statusCode).toBe(200)
})

test('the handler imports a feed, and fails as it says', async () => {
  const answers = [200, 404, 429, 500]
  const server = createServer((_request, response) => {
    response.writeHead(answers.shift() ?? 500).end(JSON.stringify([{ name: 'a' }, { name: 'b' }]))
  })
  onTestFinished(() => void server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const { result, progress, logs } = await runTask(importFeed, { url, limit: 1 })
  expect(result).toEqual({ items: 1 })
  expect(progress).toEqual([{ current: 1, total: 1, step: 'a' }])
  expect(logs).toMatchObject([{ message: 'imported', data: { items: 1 } }])
  const errors = []
  for (let call = 0; call < 3; call++) errors.push((await runTask(importFeed, { url })).error)
  expect(errors).toMatchObject([
    { name: 'PermanentError', message: `${url} is gone` },
    { name: 'RetryAfter', delayMs: 30_000 },
    { message: 'HTTP 500' },
  ])
})

test('rows and the end of their task are one commit', async () => {
  app = Fastify({ pluginTimeout: 0 })
  onTestFinished(() => app.close())
  await app.register(asyncTasks, { connectionString, tasks: [rowsLoaded], routes: false })
  await app.ready()
  const { taskId } = await app.tasks.createTask(rowsLoaded)
  expect(await app.tasks.waitFor(taskId)).toMatchObject({ status: 'completed', result: { rows: 1 } })
  expect((await pool.query('select id from books')).rows).toEqual([{ id: 1 }])
})
