import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import cookie from '@fastify/cookie'
import fastifyStatic from '@fastify/static'
import Fastify, { type FastifyRequest } from 'fastify'
import asyncTasks from 'fastify-async-tasks'
import { importContacts } from './tasks.ts'

const { COOKIE_SECRET, DATABASE_URL, PORT } = process.env
const app = Fastify({ logger: true })
await app.register(cookie, { secret: COOKIE_SECRET ?? randomUUID() })

/** Stands for the users of your app: each browser is a visitor with an id in a signed cookie. */
function findVisitor(request: FastifyRequest): string | undefined {
  const { valid, value } = request.unsignCookie(request.cookies.visitor ?? '')
  return valid ? value : undefined
}

await app.register(asyncTasks, {
  connectionString: DATABASE_URL,
  tasks: [importContacts],
  authorize(request) {
    const visitor = findVisitor(request)
    return visitor ? { id: visitor, role: 'owner' } : undefined // sees only its own tasks
  },
})

app.post<{ Body: { addresses: string[] } }>('/imports', async (request, reply) => {
  const visitor = findVisitor(request)
  if (!visitor) return reply.code(401).send()
  const { taskId } = await app.tasks.createTask(importContacts, request.body, { createdBy: visitor })
  return reply.code(202).send({ taskId })
})

await app.register(fastifyStatic, { root: fileURLToPath(new URL('dist', import.meta.url)), index: false })
app.get('/', async (request, reply) => {
  const flags = { path: '/', httpOnly: true, sameSite: 'strict', signed: true } as const
  if (!findVisitor(request)) reply.setCookie('visitor', randomUUID(), flags)
  return reply.sendFile('index.html')
})

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void app.close())
await app.listen({ port: Number(PORT ?? 3000) })
