import Fastify from 'fastify'
import asyncTasks from 'fastify-async-tasks'
import { shared } from './tasks.js'

const app = Fastify({ logger: true })
await app.register(asyncTasks, { ...shared, routes: false, concurrency: 10 })

// For the platform's probes: 503 while it cannot run tasks.
app.get('/ready', async (_request, reply) => {
  const { ok, reasons } = app.taskExecutor.health()
  return reply.code(ok ? 200 : 503).send({ reasons })
})

// A stop waits up to 25 s for the handlers that run. What they do not finish, another worker runs again.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void app.close())
await app.listen({ port: Number(process.env.WORKER_PORT ?? 3001) })
