import assert from 'node:assert/strict'
import jwt from '@fastify/jwt'
import Fastify from 'fastify'
import asyncTasks from 'fastify-async-tasks'
import { createTasksClient, type TasksClient } from 'fastify-async-tasks/client'
import * as handlers from './handlers.ts'
import { connectionString, isTrue, type Same, show } from './host.ts'

interface User {
  sub: string
  role: 'admin' | 'viewer' | 'owner'
}

declare module '@fastify/jwt' {
  interface FastifyJWT {
    payload: User
    user: User
  }
}

const { importBooks, remind, shelf } = handlers
const app = Fastify()
await app.register(jwt, { secret: 'a secret of thirty-two characters or more' })
await app.register(asyncTasks, {
  connectionString,
  tasks: [importBooks, remind],
  async authorize(request) {
    const { sub, role } = await request.jwtVerify<User>()
    return { id: sub, name: sub.toUpperCase(), role }
  },
})
app.post<{ Body: { url: string } }>('/imports', async (request, reply) => {
  const { sub } = await request.jwtVerify<User>()
  const { taskId } = await app.tasks.createTask(importBooks, request.body, { createdBy: sub })
  return reply.code(202).send({ taskId })
})
const origin = await app.listen({ port: 0 })
const baseUrl = `${origin}/api/admin`

const tokenOf = (sub: string, role: User['role']) => app.jwt.sign({ sub, role })
const clientOf = (sub: string, role: User['role']) =>
  createTasksClient<typeof handlers>({ baseUrl, token: async () => tokenOf(sub, role) })

const anna = clientOf('customer:7', 'owner')
const ben = clientOf('customer:8', 'owner')
const viewer = clientOf('support', 'viewer')
const admin = clientOf('ops', 'admin')

const posted = await fetch(`${origin}/imports`, {
  method: 'POST',
  headers: {
    authorization: `Bearer ${tokenOf('customer:7', 'owner')}`,
    'content-type': 'application/json',
  },
  body: JSON.stringify({ url: 'https://example.com/books' }),
})
assert.equal(posted.status, 202)
const { taskId } = (await posted.json()) as { taskId: string }

const bar: string[] = []
for await (const event of anna.watch(taskId)) {
  if (event.type === 'task') bar.push(`${event.task.percent} % ${event.task.step ?? ''}`.trim())
  if (event.type === 'log') assert.equal(event.line.message, 'importing')
  if (event.type === 'task' && event.task.percent === 50) shelf.resolve()
  if (event.type === 'end') {
    assert(event.task.taskType === 'import_books')
    isTrue<Same<typeof event.task.result, { books: number; at: string } | null>>()
    assert.deepEqual(event.task.result, { books: 42, at: '1970-01-01T00:00:00.000Z' })
  }
}
assert(bar.includes('50 % half of them'))
assert.equal(bar.at(-1), '100 % half of them')
show("a customer's progress bar follows their own import, whose result is typed")

const refused = (status: number, code?: string) => (error: { status: number; code: string }) => {
  assert.equal(error.status, status)
  if (code) assert.equal(error.code, code)
  return true
}
const anonymous: TasksClient = createTasksClient({ baseUrl })
await assert.rejects(anonymous.listTasks(), refused(401))
await assert.rejects(ben.getTask(taskId), refused(404, 'TASK_NOT_FOUND'))
assert.equal((await ben.listTasks()).total, 0)
const { taskId: waiting } = await app.tasks.createTask(
  remind,
  { text: 'tea' },
  { delayMs: 60_000, createdBy: 'customer:7' },
)
await assert.rejects(ben.cancelTask(waiting), refused(404, 'TASK_NOT_FOUND'))
await assert.rejects(anna.createTask({ taskType: 'remind', params: { text: 'mine' } }), refused(403))
assert.equal((await anna.cancelTask(waiting)).status, 'cancelled')
show('an owner sees and cancels its own tasks, and those of others do not exist for it')

assert.deepEqual(await viewer.getCaller(), { id: 'support', name: 'SUPPORT', role: 'viewer' })
assert.equal((await viewer.listTasks()).total, 2)
await assert.rejects(viewer.retryTask(waiting), refused(403, 'READ_ONLY'))
show('a viewer reads everything and changes nothing')

const created = await admin.createTask({ taskType: 'remind', params: { text: 'four' } })
isTrue<Same<typeof created.result, number | null>>()
// @ts-expect-error the params are those of the type
await assert.rejects(admin.createTask({ taskType: 'remind', params: { text: 4 } }), refused(400))
// @ts-expect-error and the type is one of the handlers'
await assert.rejects(admin.createTask({ taskType: 'remnid', params: {} }), refused(400, 'UNKNOWN_TASK_TYPE'))
assert.equal(created.createdBy, 'ops')
assert.equal((await admin.listTasks({ createdBy: 'ops' })).total, 1)
assert.equal((await admin.listTasks({ createdBy: 'customer:7' })).total, 2)
show('an admin creates tasks with a client that knows the handlers; createdBy filters the list')

const types: string[] = []
for await (const event of app.tasks.watch(created.taskId)) {
  types.push(event.type)
  if (event.type === 'end') assert.equal(event.task.result, 4)
}
assert.equal(types.at(-1), 'end')
await assert.rejects(
  async () => {
    for await (const _event of app.tasks.watch('task_unknown'));
  },
  { code: 'TASK_NOT_FOUND' },
)
show('app.tasks.watch follows a task in the process itself')
await app.close()
