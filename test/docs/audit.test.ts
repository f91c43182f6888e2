import Fastify, { type FastifyInstance } from 'fastify'
import { beforeAll, expect, test } from 'vitest'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import asyncTasks from '../../src/plugin.ts'
import { createTestDatabase } from '../support/database.ts'
import { examplesNotRunBy } from '../support/docs.ts'

const hello = createTaskRegistry().task('hello')(() => 'world')

let app: FastifyInstance
let taskId: string
const user = { id: 7, name: 'Ada' }
const findOrder = async (_request: unknown) => ({ taskId, user })

beforeAll(async () => {
  const database = await createTestDatabase()
  app = Fastify({ pluginTimeout: 0 })
  await app.register(asyncTasks, {
    connectionString: database.directUrl,
    tasks: [hello],
    executor: false,
    authorize: () => ({ id: 'reader', role: 'viewer' as const }),
  })
  app.post('/orders/:id/cancel', async (request) => {
    const { taskId, user } = await findOrder(request)
    const actor = { id: String(user.id), name: user.name, requestId: request.id, address: request.ip }
    return app.tasks.cancelTask(taskId, { actor })
  })
  await app.ready()
  ;({ taskId } = await app.tasks.createTask(hello))
  return async () => {
    await app.close()
    await database.drop()
  }
})

test('every example of docs/audit.md is run here', () => {
  expect(examplesNotRunBy(import.meta.url, 'audit.md')).toEqual([])
})

test('a route of the host leaves the entry that the page describes', async () => {
  const answer = await app.inject({ method: 'POST', url: '/orders/5/cancel' })
  expect(answer.json()).toMatchObject({ taskId, status: 'cancelled' })
  const { entries } = (await app.inject({ url: '/api/admin/audit' })).json()
  expect(entries).toMatchObject([
    {
      actor: { id: '7', name: 'Ada' },
      action: 'task.cancel',
      subject: taskId,
      outcome: 'ok',
      requestId: 'req-1',
      address: '127.0.0.1',
    },
  ])
})
