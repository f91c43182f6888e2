import assert from 'node:assert/strict'
import { eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import Fastify from 'fastify'
import asyncTasks, { createTaskRegistry, type TaskExecutor, type TaskManager } from 'fastify-async-tasks'
import { asyncTasksIn } from 'fastify-async-tasks/schema'
import pg from 'pg'
import { z } from 'zod'
import { connectionString, show } from './host.ts'
import { orders } from './tables.ts'

declare module 'fastify' {
  interface FastifyInstance {
    reports: TaskManager
    reportsExecutor: TaskExecutor | null
  }
}

const pool = new pg.Pool({ connectionString })
const db = drizzle({ client: pool })
const { task } = createTaskRegistry()

const packOrder = task('pack_order', { params: z.object({ orderId: z.int() }) })(async ({ orderId }, ctx) => {
  const mark = { isPacked: true }
  await ctx.step('pack', (tx) => tx.update(orders).set(mark).where(eq(orders.id, orderId)), { tx: db })
  return { orderId }
})
const countPacked = task('count_packed')(async () => ({
  packed: await db.$count(orders, eq(orders.isPacked, true)),
}))

const app = Fastify()
await app.register(asyncTasks, { pool, schema: 'jobs', tasks: [packOrder], authorize: false })
await app.register(asyncTasks, {
  pool,
  schema: 'Reports',
  decorator: 'reports',
  prefix: '/api/reports',
  tasks: [countPacked],
  authorize: false,
})
await app.ready()

async function placeOrder(item: string, isPaid = true): Promise<string> {
  return db.transaction(async (tx) => {
    const [order] = await tx.insert(orders).values({ item }).returning()
    assert(order)
    const { taskId } = await app.tasks.createTask(packOrder, { orderId: order.id }, { tx })
    await tx.update(orders).set({ taskId }).where(eq(orders.id, order.id))
    if (!isPaid) throw new Error('not paid')
    return taskId
  })
}

await assert.rejects(placeOrder('lamp', false), /not paid/)
const taskId = await placeOrder('chair')
const ended = await app.tasks.waitFor(taskId, { task: packOrder })
assert.equal(ended.result?.orderId, 2)
assert.equal((await app.tasks.listTasks()).total, 1)
show("a task commits with the host's order, and is rolled back with it")

const { asyncTasks: jobs } = asyncTasksIn('jobs')
const packed = await db
  .select({ item: orders.item, status: jobs.status, isPacked: orders.isPacked })
  .from(orders)
  .innerJoin(jobs, eq(jobs.taskId, orders.taskId))
assert.deepEqual(packed, [{ item: 'chair', status: 'completed', isPacked: true }])
show('asyncTasksIn joins the tasks of a schema of its own with the orders')

const report = await app.reports.createTask(countPacked)
assert.deepEqual((await app.reports.waitFor(report.taskId, { task: countPacked })).result, { packed: 1 })
const typesOf = async (prefix: string) => {
  const { tasks } = (await app.inject(`${prefix}/tasks`)).json<{ tasks: { taskType: string }[] }>()
  return tasks.map(({ taskType }) => taskType)
}
assert.deepEqual(await typesOf('/api/admin'), ['pack_order'])
assert.deepEqual(await typesOf('/api/reports'), ['count_packed'])
assert.equal(await app.tasks.getTask(report.taskId), undefined)
await assert.rejects(app.reports.createTask('pack_order', { orderId: 2 }), { code: 'UNKNOWN_TASK_TYPE' })
assert.equal(app.reportsExecutor?.health().slots, app.taskExecutor?.health().slots)
show('two runners in one app see nothing of each other')

await app.close()
const { rows } = await pool.query(`select tablename from pg_tables where schemaname = 'public'`)
assert.deepEqual(rows, [{ tablename: 'orders' }])
await pool.end()
show("public has the host's tables alone, and the pool is the host's to end")
