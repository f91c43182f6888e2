import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { createTasksClient, type TasksClient } from '../../src/client/index.ts'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { addErrors } from '../support/add-errors.ts'
import { type BundledServer, startBundledServer } from './bundled-server.ts'

const params = z.object({ text: z.string() })
const fail = createTaskRegistry().task('fail', { maxRetries: 0, params })(({ text }) => {
  throw new Error(text)
})

let server: BundledServer
let client: TasksClient

beforeAll(async () => {
  server = await startBundledServer({ tasks: [fail] })
  const inject: typeof fetch = async (url, init) => {
    const { method, body } = init ?? {}
    const answer = await server.asAdmin({
      method: (method ?? 'GET') as 'GET',
      url: String(url).replace('http://host', ''),
      ...(body ? { payload: String(body), headers: { 'content-type': 'application/json' } } : {}),
    })
    return new Response(answer.body, {
      status: answer.statusCode,
      headers: { 'content-type': String(answer.headers['content-type']) },
    })
  }
  client = createTasksClient({ baseUrl: 'http://host/api/admin', fetch: inject })
  const { tasks } = server.app
  const created = await tasks.createTasks(
    ['card 17 declined', 'card 18 declined', 'no stock of 5'].map((text) => ({
      task: fail,
      params: { text },
    })),
  )
  for (const { taskId } of created) await tasks.waitFor(taskId)
  // The server itself counts them within five seconds.
  await addErrors(server.database, 'fail', ['card 17 declined', 'card 18 declined', 'no stock of 5'])
})
afterAll(() => server.close())

const findDeclined = async () => {
  const group = (await client.listErrorGroups()).find(({ message }) => message === 'card # declined')
  if (!group) throw new Error('there is no such group')
  return group
}

test('failures are listed by type and message, and one group can be read', async () => {
  const group = await findDeclined()
  expect(group).toMatchObject({ taskType: 'fail', failedTasks: 2, seenAt: null })
  expect([2, 4]).toContain(group.count)
  expect(group.error).toMatch(/^card 1[78] declined$/)
  expect(group.lastAt).toBeInstanceOf(Date)
  expect(group.hours).toHaveLength(24)
  expect(await client.getErrorGroup(group.id)).toMatchObject({ id: group.id, message: group.message })
  expect(await client.listErrorGroups({ taskType: 'another' })).toEqual([])
})

test('a group is marked as seen and back, and the audit says by whom', async () => {
  const { id } = await findDeclined()
  expect((await client.markErrorGroupSeen(id)).seenAt).toBeInstanceOf(Date)
  expect((await client.listErrorGroups({ seen: true })).map((group) => group.id)).toEqual([id])
  expect((await client.listErrorGroups({ seen: false })).map((group) => group.id)).not.toContain(id)
  expect((await client.markErrorGroupUnseen(id)).seenAt).toBeNull()
  const { entries } = await client.listAudit({ subject: id })
  expect(entries.map(({ action, outcome, actor }) => [action, outcome, actor.name])).toEqual([
    ['error.unseen', 'ok', 'admin'],
    ['error.seen', 'ok', 'admin'],
  ])
})

test('a group that does not exist is 404, and an id that is none 400', async () => {
  const missing = 'f'.repeat(16)
  await expect(client.getErrorGroup(missing)).rejects.toMatchObject({
    code: 'ERROR_GROUP_NOT_FOUND',
    status: 404,
  })
  await expect(client.markErrorGroupSeen(missing)).rejects.toMatchObject({ code: 'ERROR_GROUP_NOT_FOUND' })
  const { entries } = await client.listAudit({ subject: missing })
  expect(entries).toMatchObject([{ action: 'error.seen', outcome: 'ERROR_GROUP_NOT_FOUND' }])
  await expect(client.getErrorGroup('x')).rejects.toMatchObject({
    status: 400,
    errors: [{ pointer: '/groupId', detail: expect.stringContaining('16 hexadecimal digits') }],
  })
  await expect(client.listTasks({ errorGroup: 'x' })).rejects.toMatchObject({
    errors: [{ pointer: '/errorGroup' }],
  })
})

test('the tasks of a group are listed, and retried as one, each with its entry', async () => {
  const { id } = await findDeclined()
  const { tasks, total } = await client.listTasks({ errorGroup: id })
  expect(total).toBe(2)
  expect(tasks.every(({ error }) => error?.startsWith('card 1'))).toBe(true)
  const filter = { errorGroup: id }
  const planned = await client.bulkTasks({ action: 'retry', filter, dryRun: true })
  expect(planned.results).toHaveLength(2)
  const { results } = await client.bulkTasks({ action: 'retry', filter })
  expect(results.every(({ ok }) => ok)).toBe(true)
  for (const { taskId } of tasks) {
    await server.app.tasks.waitFor(taskId)
    const { entries } = await client.listAudit({ subject: taskId })
    expect(entries).toMatchObject([{ action: 'task.retry', outcome: 'ok' }])
  }
})
