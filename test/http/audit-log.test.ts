import Fastify, { type FastifyInstance } from 'fastify'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { AuditPage } from '../../src/contract/audit.ts'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import type { Authorize } from '../../src/http/authorize.ts'
import asyncTasks from '../../src/plugin.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

/** What the log of an app says of the changes that were asked for, and of those who asked. */

const plain = createTaskRegistry().task('plain')(() => undefined)
const PREFIX = '/ops'
const MISSING = `task_${'0'.repeat(32)}`

let database: TestDatabase
let lines: Record<string, unknown>[]

beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database.drop())
beforeEach(async () => {
  await database.pool.query('truncate async_task_audit')
  lines = []
})

async function startLogging(authorize: Authorize | false): Promise<FastifyInstance> {
  const stream = { write: (line: string) => lines.push(JSON.parse(line) as Record<string, unknown>) }
  const app = Fastify({ logger: { stream } })
  await app.register(asyncTasks, {
    pool: database.pool,
    directConnectionString: database.directUrl,
    prepared: database.prepared,
    tasks: [plain],
    prefix: PREFIX,
    authorize,
    migrate: false,
    executor: false,
  })
  return app
}

const create = async (app: FastifyInstance) => (await app.tasks.createTask(plain)).taskId

test('the log has a line with the user and the request for each change, and the user in the lines of the request', async () => {
  const app = await startLogging(() => ({ id: 'u1' }))
  const taskId = await create(app)
  await app.inject({ method: 'POST', url: `${PREFIX}/tasks/${taskId}/cancel` })
  await app.inject({ method: 'DELETE', url: `${PREFIX}/tasks/${MISSING}` })
  await app.close()
  const audited = lines.filter((line) => line.audit === true)
  expect(audited).toMatchObject([
    { userId: 'u1', reqId: 'req-1', action: 'task.cancel', subject: taskId, outcome: 'ok' },
    { userId: 'u1', reqId: 'req-2', action: 'task.delete', subject: MISSING, outcome: 'TASK_NOT_FOUND' },
  ])
  const ended = lines.filter((line) => line.msg === 'request completed')
  expect(ended).toMatchObject([
    { userId: 'u1', reqId: 'req-1' },
    { userId: 'u1', reqId: 'req-2' },
  ])
})

test('the log of many tasks has one line for each outcome', async () => {
  const app = await startLogging(() => ({ id: 'u1' }))
  const taskIds = [await create(app), await create(app), MISSING]
  await app.inject({ method: 'POST', url: `${PREFIX}/tasks/bulk`, payload: { action: 'cancel', taskIds } })
  await app.close()
  expect(lines.filter((line) => line.audit === true)).toMatchObject([
    { action: 'task.cancel', outcome: 'ok', count: 2 },
    { action: 'task.cancel', outcome: 'TASK_NOT_FOUND', subject: MISSING },
  ])
})

test('where the host guards the routes itself, entries have no actor', async () => {
  const app = await startLogging(false)
  const taskId = await create(app)
  await app.inject({ method: 'POST', url: `${PREFIX}/tasks/${taskId}/cancel` })
  await app.inject({ method: 'POST', url: `${PREFIX}/tasks/${taskId}/cancel?x=1` })
  const { entries } = (await app.inject({ url: `${PREFIX}/audit` })).json<AuditPage>()
  await app.close()
  expect(entries.map(({ actor, action, subject, outcome }) => [actor.id, action, subject, outcome])).toEqual([
    [null, 'task.cancel', taskId, 'INVALID_REQUEST'],
    [null, 'task.cancel', taskId, 'ok'],
  ])
})
