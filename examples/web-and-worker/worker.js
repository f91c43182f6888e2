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

// A stop waits for the handlers that run, up to 30 s; what they do not finish, another worker does.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void app.close())
await app.listen({ port: Number(process.env.WORKER_PORT ?? 3001) })
