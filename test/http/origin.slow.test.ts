import Fastify, { type FastifyInstance, type InjectOptions } from 'fastify'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import asyncTasks, { type AsyncTasksOptions } from '../../src/plugin.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

const { task } = createTaskRegistry()
const hello = task('hello')(() => 'world')

let database: TestDatabase
let app: FastifyInstance

beforeAll(async () => {
  database = await createTestDatabase()
  return () => database.drop()
})
afterEach(() => app.close())

/** A host that knows its users by a cookie of its own. */
async function startHost(options: Partial<AsyncTasksOptions> = {}, trustProxy = false): Promise<void> {
  app = Fastify({ trustProxy })
  const authorize = () => ({ id: 'root' })
  await app.register(asyncTasks, {
    pool: database.pool,
    tasks: [hello],
    executor: false,
    authorize,
    ...options,
  })
  await app.ready()
}

const host = 'tasks.example'
const pause = (headers: Record<string, string>, url = '/api/admin/task-types/hello/pause') =>
  app.inject({ method: 'POST', url, headers: { host, ...headers } } satisfies InjectOptions)
const cookie = 'session=of-the-host'

describe('a page of another site', () => {
  const foreign: Record<string, string>[] = [
    { cookie, origin: 'https://evil.example' },
    { cookie, origin: 'https://tasks.example.evil.example' },
    { cookie, origin: 'https://tasks.example:8443' },
    { cookie, origin: 'https://sub.tasks.example' },
    { cookie, origin: 'null' },
    { cookie, origin: '' },
    { cookie, origin: 'chrome-extension://tasks.example' },
    { cookie, origin: 'https://evil.example@tasks.example, https://tasks.example' },
    { cookie, 'sec-fetch-site': 'cross-site' },
    { cookie, 'sec-fetch-site': 'same-site' },
    { cookie, 'sec-fetch-site': 'same-origin, cross-site' },
    { cookie, 'sec-fetch-site': 'cross-site', origin: 'https://tasks.example' },
    { cookie, authorization: '', origin: 'https://evil.example' },
    { authorization: 'Basic cm9vdDpyb290', 'sec-fetch-site': 'cross-site' },
    { authorization: 'negotiate abc', cookie, origin: 'https://evil.example' },
  ]

  test.each(foreign)('changes nothing with the cookie of a visitor: %j', async (headers) => {
    await startHost()
    const urls = [
      '/api/admin/task-types/hello/pause',
      '/api/admin/task-types/hello/resume',
      '/api/admin/tasks/task_x/cancel',
      '/api/admin/tasks/task_x/retry',
      '/api/admin/tasks',
      '/api/admin/tasks/bulk',
      '/api/admin/schedules/x/run',
      '/api/admin/nowhere',
    ]
    for (const url of urls) {
      expect((await pause(headers, url)).json()).toMatchObject({ status: 403, code: 'FOREIGN_ORIGIN' })
    }
    expect((await app.tasks.listTaskTypes())[0]?.paused).toBe(false)
  })

  test('changes nothing either where the host guards the scope by itself', async () => {
    await startHost({ authorize: false })
    expect((await pause({ cookie, origin: 'https://evil.example' })).statusCode).toBe(403)
  })

  test.each([
    { cookie, origin: 'https://evil.example' },
    { cookie, 'sec-fetch-site': 'cross-site' },
  ])('may read what the host lets it read: %j', async (headers) => {
    await startHost()
    for (const method of ['GET', 'HEAD'] as const) {
      const answer = await app.inject({ method, url: '/api/admin/tasks', headers: { host, ...headers } })
      expect(answer.statusCode).toBe(200)
    }
  })
})

describe('a request of the host itself, or of a program', () => {
  test.each<Record<string, string>>([
    { cookie },
    { cookie, 'sec-fetch-site': 'same-origin', origin: 'https://tasks.example' },
    // A proxy in between may have changed the host; the browser knows better.
    { cookie, 'sec-fetch-site': 'same-origin', origin: 'https://public.example' },
    { cookie, 'sec-fetch-site': 'none' },
    { cookie, origin: 'https://tasks.example' },
    { cookie, origin: 'http://TASKS.example' },
    { cookie, origin: 'https://tasks.example', host: 'tasks.example:443' },
    { cookie, origin: 'http://tasks.example', host: 'Tasks.Example:80' },
    { cookie, origin: 'http://tasks.example:3000', host: 'tasks.example:3000' },
    { cookie, origin: 'http://[2001:db8::1]:3000', host: '[2001:DB8:0::1]:3000' },
    // Only a page that the host's CORS lets through can send these.
    { cookie, origin: 'https://app.example', authorization: 'Bearer token' },
    { 'x-api-key': 'key', origin: 'https://app.example', 'sec-fetch-site': 'cross-site' },
  ])('passes: %j', async (headers) => {
    await startHost()
    expect((await pause(headers)).statusCode).toBe(200)
  })

  test.each([
    [true, 200],
    [false, 403],
  ])('is compared with X-Forwarded-Host where trustProxy is %s', async (trustProxy, status) => {
    await startHost({}, trustProxy)
    const headers = { cookie, origin: 'https://public.example', 'x-forwarded-host': 'public.example' }
    expect((await pause(headers)).statusCode).toBe(status)
  })
})

describe('allowedOrigins', () => {
  const allowedOrigins = ['https://app.example', 'http://localhost:5173']

  test('lets pages of these sites act with the cookie, and of no other', async () => {
    await startHost({ allowedOrigins })
    for (const origin of allowedOrigins) {
      expect((await pause({ cookie, origin, 'sec-fetch-site': 'cross-site' })).statusCode).toBe(200)
      expect((await pause({ cookie, origin })).statusCode).toBe(200)
    }
    for (const origin of [
      'https://app.example:8443',
      'http://app.example',
      'https://x.app.example',
      'null',
    ]) {
      expect((await pause({ cookie, origin, 'sec-fetch-site': 'cross-site' })).statusCode).toBe(403)
    }
    expect((await pause({ cookie, 'sec-fetch-site': 'cross-site' })).statusCode).toBe(403)
  })

  test.each([
    ['*', "got '*'"],
    ['https://*.example', "got 'https://*.example'"],
    ['null', "got 'null'"],
    ['app.example', "got 'app.example'"],
    ['https://app.example/', "got 'https://app.example/'"],
    ['https://app.example/path', 'without a path'],
    ['https://App.example', "got 'https://App.example'"],
    ['https://app.example:443', "got 'https://app.example:443'"],
    ['ftp://app.example', "got 'ftp://app.example'"],
    ['', "got ''"],
    [/example/, 'got object'],
    [1n, 'got bigint'],
    [undefined, 'got undefined'],
  ])('refuses %s at the start', async (origin, message) => {
    app = Fastify()
    const options = { pool: database.pool, tasks: [hello], authorize: () => ({ id: 'root' }) }
    const register = app.register(asyncTasks, {
      ...options,
      allowedOrigins: ['https://fine.example', origin as string],
    })
    await expect(register).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/allowedOrigins\[1\] must be an origin/),
    })
    await expect(register).rejects.toThrow(message)
  })

  test('refuses what is no list', async () => {
    app = Fastify()
    const register = app.register(asyncTasks, {
      pool: database.pool,
      authorize: false,
      allowedOrigins: '*' as unknown as string[],
    })
    await expect(register).rejects.toThrow('allowedOrigins must be a list of origins, got string')
  })
})
