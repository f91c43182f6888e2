import Fastify from 'fastify'
import asyncTasks from 'fastify-async-tasks'
import { renderReport, shared } from './tasks.js'

const { ADMIN_TOKEN, PORT } = process.env
const app = Fastify({ logger: true })

await app.register(asyncTasks, {
  ...shared,
  executor: false, // creates and shows tasks, and runs none
  authorize({ headers }) {
    if (ADMIN_TOKEN && headers.authorization === `Bearer ${ADMIN_TOKEN}`) return { id: 'admin' }
  },
  dashboard: true,
})

app.post('/reports/:year', async ({ params }, reply) => {
  const { taskId } = await app.tasks.createTask(renderReport, { year: Number(params.year) })
  return reply.code(202).send({ taskId })
})

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void app.close())
await app.listen({ port: Number(PORT ?? 3000) })
