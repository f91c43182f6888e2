import Fastify, { type FastifyInstance } from 'fastify'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import asyncTasks, { type AsyncTasksOptions } from '../../src/plugin.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

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

test.each(['/übersicht', '/任务/admin', '/my tasks'])('what is created below %s has an address', async (prefix) => {
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
})
