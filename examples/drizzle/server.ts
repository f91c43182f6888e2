import { fileURLToPath } from 'node:url'
import { eq, sql } from 'drizzle-orm'
import { migrate } from 'drizzle-orm/node-postgres/migrator'
import Fastify from 'fastify'
import asyncTasks from 'fastify-async-tasks'
import { asyncTasksIn } from 'fastify-async-tasks/schema'
import { db, pool } from './db.ts'
import { orders, users } from './schema.ts'
import { confirmOrder, writeStatement } from './tasks.ts'
import { addUser, findUser } from './users.ts'

await migrate(db, { migrationsFolder: fileURLToPath(new URL('migrations', import.meta.url)) })

const app = Fastify({ logger: true })
app.addHook('onClose', () => pool.end()) // before the plugin: handlers still have it while they finish

await app.register(asyncTasks, {
  pool,
  schema: 'jobs',
  tasks: [confirmOrder, writeStatement],
  async authorize(request) {
    const user = await findUser(request)
    return user && { id: user.id, name: user.email, role: user.isStaff ? 'admin' : 'owner' }
  },
  dashboard: true,
})

app.post<{ Body: { email: string } }>(
  '/users',
  { schema: { body: { type: 'object', required: ['email'], properties: { email: { type: 'string' } } } } },
  async ({ body }, reply) => reply.code(201).send({ token: await addUser(body.email) }),
)

const order = {
  type: 'object',
  required: ['item', 'price'],
  properties: { item: { type: 'string' }, price: { type: 'integer', minimum: 1 } },
}

app.post<{ Body: { item: string; price: number } }>(
  '/orders',
  { schema: { body: order } },
  async (request, reply) => {
    const user = await findUser(request)
    if (!user) return reply.code(401).send()
    const { item, price } = request.body
    const created = await db
      .transaction(async (tx) => {
        const [{ id }] = await tx.insert(orders).values({ userId: user.id, item, price }).returning()
        const { taskId } = await app.tasks.createTask(
          confirmOrder,
          { orderId: id },
          { tx, createdBy: user.id },
        )
        // Fails if the credit does not suffice: then there is neither an order nor a task.
        await tx
          .update(users)
          .set({ credit: sql`${users.credit} - ${price}` })
          .where(eq(users.id, user.id))
        return { orderId: id, taskId }
      })
      .catch((error) => {
        if (error.cause?.constraint === 'credit_is_not_negative') return undefined
        throw error
      })
    return created ? reply.code(202).send(created) : reply.code(409).send({ message: 'not enough credit' })
  },
)

app.post('/statements', async (request, reply) => {
  const user = await findUser(request)
  if (!user) return reply.code(401).send()
  // While a statement waits or runs, another request returns its task.
  const options = { uniqueKey: `statement ${user.id}`, createdBy: user.id }
  const { taskId, created } = await app.tasks.createTask(writeStatement, { userId: user.id }, options)
  return reply.code(202).send({ taskId, created })
})

/** The engine's tables are Drizzle tables, too. */
const { asyncTasks: jobs } = asyncTasksIn('jobs')
app.get('/waiting', async () => ({ waiting: await db.$count(jobs, eq(jobs.status, 'pending')) }))

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void app.close())
await app.listen({ port: Number(process.env.PORT ?? 3000) })
