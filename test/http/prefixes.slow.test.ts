import { randomUUID } from 'node:crypto'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import asyncTasks, { type AsyncTasksOptions } from '../../src/plugin.ts'
import { checkOptions } from '../../src/plugin-options.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { openEvents } from '../support/event-source.ts'

const { task } = createTaskRegistry()
const hello = task('hello')(() => 'world')

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
  return () => database.drop()
})

async function startHost(
  options: Partial<AsyncTasksOptions>,
  app: FastifyInstance = Fastify(),
): Promise<FastifyInstance> {
  onTestFinished(() => app.close())
  const base = { connectionString: database.url, tasks: [hello], authorize: false, migrate: false } as const
  await app.register(asyncTasks, { ...base, executor: false, ...options })
  return app
}

test.each(['/übersicht', '/任务/admin', '/my tasks'])(
  'what is created below %s has an address',
  async (prefix) => {
    const app = await startHost({ prefix })
    const post = (path: string, payload: object) =>
      app.inject({ method: 'POST', url: encodeURI(prefix) + path, payload })
    const schedule = { name: 'nightly', cron: '@daily', taskType: 'hello' }
    const created = [
      await post('/tasks', { taskType: 'hello' }),
      await post('/schedules', schedule),
      await post('/schedules/nightly/run', {}),
    ]
    for (const { statusCode, headers, body } of created) {
      expect(statusCode, body).toBe(201)
      const { location } = headers
      expect(location).toMatch(/^[!-~]+$/)
      expect((await app.inject(String(location))).statusCode).toBe(200)
    }
    await app.tasks.deleteSchedule('nightly')
  },
)

const tenantOf = ({ params }: FastifyRequest) => (params as { tenant?: string }).tenant

test('authorize and the hooks of the host read the parameters of the prefix at any time', async () => {
  const app = Fastify()
  const authorized: unknown[] = []
  const responded: unknown[] = []
  app.addHook('onResponse', async (request) => {
    responded.push(tenantOf(request))
  })
  const authorize = (request: FastifyRequest) => {
    authorized.push(tenantOf(request))
    return { id: 7 }
  }
  await startHost({ prefix: '/:tenant/ops', authorize }, app)
  const { taskId } = await app.tasks.createTask(hello)
  const paths = [
    `tasks/${taskId}`,
    `tasks/${taskId}/logs`,
    `executors/${randomUUID()}/runs`,
    'schedules/none',
    `error-groups/${'0'.repeat(16)}`,
  ]
  for (const path of paths) await app.inject(`/acme/ops/${path}`)
  await app.inject({ method: 'POST', url: '/acme/ops/task-types/hello/resume' })
  expect(responded).toEqual(new Array(6).fill('acme'))
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  await using stream = await openEvents(`${url}/acme/ops/tasks/${taskId}/events`)
  expect(stream.response.status).toBe(200)
  // An open stream is authorized again.
  await expect.poll(() => authorized).toHaveLength(8)
  expect(authorized).toEqual(new Array(8).fill('acme'))
})

test("no parameter of a route may be one of the prefix: the route's value would be in its place", async () => {
  const app = Fastify()
  const names = new Set<string>()
  app.addHook('onRoute', ({ url }) => {
    for (const [, name = ''] of url.matchAll(/:(\w+)/g)) names.add(name)
  })
  await startHost({}, app)
  expect(names).toContain('taskId')
  for (const name of names) {
    expect(() =>
      checkOptions({ connectionString: database.url, authorize: false, prefix: `/:${name}/ops` }),
    ).toThrow(`prefix must not use the parameter :${name}`)
  }
})
