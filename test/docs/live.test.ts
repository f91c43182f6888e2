import Fastify, { type FastifyInstance } from 'fastify'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { createTasksClient } from '../../src/client/index.ts'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import asyncTasks from '../../src/plugin.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { examplesNotRunBy } from '../support/docs.ts'

const { task } = createTaskRegistry()
const importBooks = task('import_books', { params: z.object({ url: z.string() }) })(async ({ url }, ctx) => {
  ctx.progress(1, 2, url)
  return { books: 42 }
})

const USERS = [
  { id: 7, isStaff: false },
  { id: 8, isStaff: false },
  { id: 9, isStaff: true },
]
const tokenOf = (id: number) => `token of ${id}`
const findUser = (authorization: string | undefined) =>
  USERS.find(({ id }) => authorization === `Bearer ${tokenOf(id)}`)

let database: TestDatabase
let app: FastifyInstance
let origin: string

beforeAll(async () => {
  database = await createTestDatabase()
  const connectionString = database.directUrl
  app = Fastify({ pluginTimeout: 0 })
  await app.register(asyncTasks, {
    connectionString,
    tasks: [importBooks],
    authorize: (request) => {
      const user = findUser(request.headers.authorization) // undefined: 401
      return user && { id: user.id, role: user.isStaff ? 'viewer' : 'owner' }
    },
  })

  app.post<{ Body: { url: string } }>('/imports', async (request, reply) => {
    const user = findUser(request.headers.authorization)
    if (!user) return reply.code(401).send()
    const created = await app.tasks.createTask(importBooks, request.body, { createdBy: String(user.id) })
    return reply.code(202).send({ taskId: created.taskId })
  })
  origin = await app.listen({ host: '127.0.0.1', port: 0 })
})
afterAll(async () => {
  await app.close()
  await database.drop()
})

test('every example of docs/live.md is run here', () => {
  expect(examplesNotRunBy(import.meta.url, 'live.md')).toEqual([])
})

test('a customer watches an import of their own, and nobody else does', async () => {
  const baseUrl = `${origin}/api/admin`
  const token = tokenOf(7)
  const response = await fetch(`${origin}/imports`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ url: 'https://example.com/books' }),
  })
  const { taskId } = (await response.json()) as { taskId: string }
  const shown: string[] = []
  const show = (text: string) => shown.push(text)

  const client = createTasksClient<[typeof importBooks]>({ baseUrl, token })
  for await (const event of client.watch(taskId)) {
    if (event.type === 'task') show(`${event.task.percent} %`)
    if (event.type === 'end') show(`${event.task.result?.books} books`)
  }
  expect(shown.at(-1)).toBe('42 books')

  const other = createTasksClient({ baseUrl, token: tokenOf(8) })
  await expect(other.watch(taskId).next()).rejects.toMatchObject({ code: 'TASK_NOT_FOUND' })
  expect(await other.listTasks()).toMatchObject({ tasks: [], total: 0 })
  const staff = createTasksClient({ baseUrl, token: tokenOf(9) })
  expect(await staff.getTask(taskId)).toMatchObject({ createdBy: '7' })
  await expect(staff.retryTask(taskId)).rejects.toMatchObject({ code: 'READ_ONLY' })
  expect(await staff.getCaller()).toEqual({ id: '9', name: null, role: 'viewer' })

  const mine = client.watchAll()
  expect((await mine.next()).value).toEqual({ type: 'open' })
  const next = mine.next()
  await app.tasks.createTask(importBooks, { url: 'of another' }, { createdBy: '8' })
  const own = await app.tasks.createTask(importBooks, { url: 'mine' }, { createdBy: '7' })
  expect((await next).value).toMatchObject({ type: 'task', task: { taskId: own.taskId } })
  await mine.return()
})
