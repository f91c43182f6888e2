import assert from 'node:assert/strict'
import Fastify from 'fastify'
import asyncTasks, { createTaskRegistry, RetryAfter } from 'fastify-async-tasks'
import pg from 'pg'
import { z } from 'zod'
import { connectionString, isTrue, type Same, show } from './host.ts'

const pool = new pg.Pool({ connectionString })
await pool.query('create table charges (order_id int)')

const { task } = createTaskRegistry()
const ran: string[] = []
const placeOrder = task('place_order', {
  params: z.object({ orderId: z.int() }),
  maxRetries: 1,
  retryBaseMs: 0,
})(async ({ orderId }, ctx) => {
  const order = await ctx.step('check', () => {
    ran.push('check')
    return { orderId, at: new Date(0) }
  })
  isTrue<Same<typeof order, { orderId: number; at: string }>>()
  await ctx.step('charge', (tx) => tx.query('insert into charges values ($1)', [orderId]), { tx: pool })
  ctx.progress(1, 2, 'charged')
  if (ctx.attempt === 1) throw new Error('the process is killed')
  await ctx.sleep('delivery', { days: 2 })
  if (ctx.attempt === 3) throw new RetryAfter(0, { spendRetry: false })
  await ctx.step('ship', () => void ran.push('ship'))
  return order
})

const ping = task('ping')(() => 'pong')

const app = Fastify()
await app.register(asyncTasks, { pool, tasks: [placeOrder, ping], routes: false, concurrency: 1 })
await app.ready()

const { taskId } = await app.tasks.createTask(placeOrder, { orderId: 7 })
for await (const event of app.tasks.watch(taskId)) {
  if (event.type === 'task' && event.task.attempts.at(-1)?.outcome === 'sleeping') break
}
const asleep = await app.tasks.getTask(taskId)
assert.deepEqual([asleep?.status, asleep?.percent, asleep?.retryCount], ['pending', 50, 1])
assert(asleep && asleep.runAt.getTime() > Date.now() + 47 * 3_600_000)
const { taskId: other } = await app.tasks.createTask(ping)
assert.equal((await app.tasks.waitFor(other)).result, 'pong')
show('a sleep of days is pending, with its progress, and leaves the only slot to others')

await app.tasks.runNow(taskId)
const ended = await app.tasks.waitFor(taskId, { task: placeOrder })
assert.deepEqual(ended.result, { orderId: 7, at: '1970-01-01T00:00:00.000Z' })
assert.deepEqual(ran, ['check', 'ship'])
assert.equal((await pool.query('select from charges')).rowCount, 1)
const outcomes = ended.attempts.map(({ outcome }) => outcome)
assert.deepEqual(outcomes, ['failed', 'sleeping', 'failed', 'completed'])
assert.equal(ended.retryCount, 1)
show('steps ran once over four attempts, one of them with the rows of its transaction')

await app.tasks.retryTask(taskId, { from: 'ship' })
await app.tasks.waitFor(taskId)
assert.deepEqual(ran, ['check', 'ship', 'ship'])
await assert.rejects(app.tasks.retryTask(taskId, { from: 'shop' }), { code: 'STEP_NOT_FOUND' })
show('a retry goes back to a step')

const newest = { uniqueKey: 'order 8', onDuplicate: 'replace', delayMs: 60_000, maxDelayMs: 90_000 } as const
const first = await app.tasks.createTask(placeOrder, { orderId: 8 }, newest)
const second = await app.tasks.createTask(placeOrder, { orderId: 9 }, newest)
assert.deepEqual([second.taskId, second.created, second.replaced], [first.taskId, false, true])
assert.deepEqual(second.params, { orderId: 9 })
await app.close()
await pool.end()
show("onDuplicate: 'replace' puts off one task, with the newest params")
