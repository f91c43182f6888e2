/** What a host may ask of its compiler, which reads the sources of the tables with it. */
export const STRICTEST = [
  '--strict',
  '--exactOptionalPropertyTypes',
  '--noUncheckedIndexedAccess',
  '--verbatimModuleSyntax',
  '--erasableSyntaxOnly',
  '--isolatedModules',
  '--noImplicitReturns',
  '--noPropertyAccessFromIndexSignature',
  '--noUnusedLocals',
  '--noUnusedParameters',
]

/** A host with Drizzle: its transactions, steps and queries. It says what it sees, a JSON line each. */
export const DRIZZLE_APP = `
import { and, eq, type InferSelectModel, sql } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import { integer, pgTable, text } from 'drizzle-orm/pg-core'
import asyncTasks, { task } from 'fastify-async-tasks'
import { type AsyncTaskTables, asyncTasks as publicTasks, asyncTasksIn } from 'fastify-async-tasks/schema'
import Fastify from 'fastify'
import pg from 'pg'
import { z } from 'zod'

const orders = pgTable('orders', {
  id: integer('id').primaryKey(),
  paid: integer('paid').notNull().default(0),
  state: text('state').notNull().default('new'),
})
const pool = new pg.Pool({ connectionString: process.env['DATABASE_URL'] ?? '' })
const db = drizzle({ client: pool })
await db.execute(sql\`create table orders (id int primary key, paid int default 0, state text default 'new')\`)

const confirm = task('confirm', { params: z.object({ order: z.int() }) })(async ({ order }, ctx) => {
  const ours = eq(orders.id, order)
  const pay = () =>
    ctx.step('pay', async (tx) => void (await tx.update(orders).set({ paid: sql\`paid + 1\` }).where(ours)), { tx: db })
  await pay()
  await db.transaction(async (tx) => {
    await ctx.guard(tx)
    await tx.update(orders).set({ state: 'confirmed' }).where(ours)
    await ctx.complete(tx, { order })
  })
})

const app = Fastify()
await app.register(asyncTasks, { pool, schema: 'jobs', tasks: [confirm], routes: false })
await app.ready()
const say = (what: object) => console.log(JSON.stringify(what))

const order = (id: number, fails: boolean) =>
  db.transaction(async (tx) => {
    await tx.insert(orders).values({ id })
    const { taskId } = await app.tasks.createTask(confirm, { order: id }, { tx })
    if (fails) throw new Error('rolled back')
    return taskId
  })
const { asyncTasks: tasks, asyncTaskParams: params, asyncTaskExecutors: executors }: AsyncTaskTables = asyncTasksIn('jobs')
await order(1, true).catch(() => undefined)
say({ rolledBack: (await db.select().from(tasks)).length })
const taskId = await order(2, false)
await app.tasks.waitFor(taskId)
say({ order: await db.select().from(orders) })
const rows = await db
  .select({ type: tasks.taskType, status: tasks.status, key: params.key, value: params.value, types: executors.taskTypes })
  .from(tasks)
  .leftJoin(params, eq(params.taskId, tasks.taskId))
  .leftJoin(executors, eq(executors.executorId, tasks.executorId))
  .where(and(eq(tasks.taskId, taskId), eq(tasks.priority, 0)))
say({ tasks: rows })
await app.close()
await pool.end()

// Types that only the compiler sees.
rows[0]?.types satisfies string[] | null | undefined
// @ts-expect-error a joined column may be null
rows[0]?.value satisfies string | undefined
export type Row = InferSelectModel<typeof publicTasks>
export const typed = (row: Row) => row satisfies { id: number; runAt: Date; result: string | null; stopping: boolean }
export const failed = () => db.select({ at: publicTasks.createdAt }).from(publicTasks).where(eq(publicTasks.status, 'failed'))
// @ts-expect-error no such column
export const none = () => publicTasks.nothing
// @ts-expect-error a column has its type
export const high = () => eq(publicTasks.priority, 'high')
// @ts-expect-error and its null or none
export const nameless = (): Row['createdAt'] => null
`
