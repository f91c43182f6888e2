import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, constants } from 'node:http2'
import path from 'node:path'
import compress from '@fastify/compress'
import rateLimit from '@fastify/rate-limit'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
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

const base = () =>
  ({ connectionString: database.url, tasks: [hello], authorize: false, migrate: false }) as const

async function mount(
  app: FastifyInstance,
  options: Partial<AsyncTasksOptions> = {},
): Promise<FastifyInstance> {
  onTestFinished(() => app.close())
  await app.register(asyncTasks, { ...base(), executor: false, ...options })
  return app
}

/** What the server sends until the text comes. */
async function readUntil(chunks: AsyncIterable<Uint8Array | string>, text: string): Promise<string> {
  let received = ''
  for await (const chunk of chunks) {
    received += Buffer.from(chunk as Uint8Array).toString()
    if (received.includes(text)) return received
  }
  throw new Error(`ended after: ${received}`)
}

describe('the page and the routes are where they are, in a host with', () => {
  test.each<[string, FastifyServerOptions]>([
    ['ignoreTrailingSlash', { routerOptions: { ignoreTrailingSlash: true } }],
    ['ignoreDuplicateSlashes', { routerOptions: { ignoreDuplicateSlashes: true } }],
    ['both', { routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true } }],
    ['caseSensitive: false', { routerOptions: { caseSensitive: false } }],
    ['exposeHeadRoutes: false', { exposeHeadRoutes: false }],
    ['bodyLimit: 10', { bodyLimit: 10 }],
    [
      'another parser of queries',
      { routerOptions: { querystringParser: (text) => Object.fromEntries(new URLSearchParams(text)) } },
    ],
    ['a way of its own to make URLs', { rewriteUrl: ({ url = '' }) => url.replace(/^\/proxied/, '') }],
    ['an old name for an option', { ignoreTrailingSlash: true }],
  ])('%s', async (_name, options) => {
    const app = Fastify(options)
    await mount(app, { prefix: '/ops', dashboard: true })
    const page = await app.inject('/admin/')
    expect([page.statusCode, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8'])
    const bare = await app.inject('/admin?status=failed')
    expect([bare.statusCode, bare.headers.location]).toEqual([302, 'admin/?status=failed'])
    const [asset = ''] = /assets\/[\w-]+\.js/.exec(page.body) ?? []
    expect((await app.inject(`/admin/${asset}`)).statusCode).toBe(200)
    expect((await app.inject('/ops/tasks')).json()).toMatchObject({ tasks: expect.any(Array) })
    expect((await app.inject('/ops/tasks?status=none')).statusCode).toBe(400)
    const payload = { taskType: 'hello', params: {} }
    expect((await app.inject({ method: 'POST', url: '/ops/tasks', payload })).statusCode).toBe(201)
    expect((await app.inject({ method: 'PUT', url: '/ops/tasks' })).statusCode).toBe(405)
  })

  test('parameters in their paths', async () => {
    const app = Fastify()
    const seen: unknown[] = []
    await mount(app, {
      prefix: '/:tenant/ops',
      dashboard: { prefix: '/:tenant/page' },
      authorize: async ({ params }) => {
        seen.push((params as { tenant: string }).tenant)
        return { id: 7 }
      },
    })
    const payload = { taskType: 'hello', params: {} }
    const posted = await app.inject({ method: 'POST', url: '/acme/ops/tasks', payload })
    expect([posted.statusCode, posted.headers.location]).toEqual([
      201,
      `/acme/ops/tasks/${posted.json().taskId}`,
    ])
    expect((await app.inject(String(posted.headers.location))).json()).toMatchObject({ status: 'pending' })
    expect(seen).toEqual(['acme', 'acme'])
    const page = await app.inject('/acme/page/')
    expect(page.body).toContain('name="tasks-api" content="../ops"')
    expect((await app.inject('/acme/page?x=1')).headers.location).toBe('page/?x=1')
  })

  test('a serializer, error handler, parsers and validators of its own', async () => {
    const app = Fastify()
    app.setReplySerializer((payload) => `host(${JSON.stringify(payload)})`)
    app.setErrorHandler((_error, _request, reply) => reply.code(418).send('host'))
    app.setValidatorCompiler(() => () => ({ error: new Error('host') }))
    app.removeAllContentTypeParsers()
    await mount(app, { prefix: '/ops' })
    app.get('/own', async () => ({ own: true }))
    expect((await app.inject('/own')).body).toBe('host({"own":true})')
    expect((await app.inject('/ops/tasks/task_1')).json()).toMatchObject({ code: 'TASK_NOT_FOUND' })
    expect((await app.inject('/ops/tasks?page=x')).json()).toMatchObject({ code: 'INVALID_REQUEST' })
    const payload = { taskType: 'hello', params: {} }
    const created = await app.inject({ method: 'POST', url: '/ops/tasks', payload })
    expect(created.json()).toMatchObject({ taskType: 'hello', created: true })
    expect(created.json().createdAt).toMatch(/Z$/)
  })

  test('a rate limit that throws an object that is no error', async () => {
    const app = Fastify()
    await app.register(rateLimit, {
      max: 1,
      // As in the docs of the package.
      errorResponseBuilder: () => ({ statusCode: 429, error: 'Too Many Requests', message: 'slow down' }),
    })
    await mount(app)
    expect((await app.inject('/api/admin/tasks')).statusCode).toBe(200)
    const refused = await app.inject('/api/admin/tasks')
    expect(refused.headers['retry-after']).toBe('60')
    expect(refused.json()).toMatchObject({ status: 429, code: 'TOO_MANY_REQUESTS', detail: 'slow down' })
  })

  test.each([
    ['numbers', 7, '7'],
    ['nothing', undefined, null],
  ])('%s for the ids of requests', async (_name, id, requestId) => {
    // The type allows texts alone, but the docs of Fastify number requests.
    const app = Fastify({ genReqId: () => id as unknown as string })
    await mount(app)
    const payload = { taskType: 'hello', params: {} }
    const created = await app.inject({ method: 'POST', url: '/api/admin/tasks', payload })
    expect(created.statusCode, created.body).toBe(201)
    const [entry] = (await app.inject('/api/admin/audit')).json().entries
    expect(entry).toMatchObject({ subject: created.json().taskId, outcome: 'ok', requestId })
  })
})

describe('a stream of events', () => {
  test('arrives behind @fastify/compress, whatever it compresses', async () => {
    const app = Fastify()
    await app.register(compress, { global: true, threshold: 0, customTypes: /^text\// })
    await mount(app)
    const url = await app.listen({ host: '127.0.0.1', port: 0 })
    const { taskId } = await app.tasks.createTask(hello)
    for (const name of [taskId, '']) {
      const address = `${url}/api/admin/tasks${name && `/${name}`}/events`
      const response = await fetch(address, { headers: { 'accept-encoding': 'gzip, br' } })
      expect(response.headers.get('content-encoding')).toBeNull()
      const chunks = response.body as unknown as AsyncIterable<Uint8Array>
      await readUntil(chunks, name === '' ? 'retry:' : taskId)
    }
    const list = await app.inject({ url: '/api/admin/tasks', headers: { 'accept-encoding': 'gzip' } })
    expect(list.headers['content-encoding']).toBe('gzip')
  })

  test('has no header over HTTP/2 that only HTTP/1 has', async () => {
    const warnings: Error[] = []
    const onWarning = (warning: Error) => void warnings.push(warning)
    process.on('warning', onWarning)
    onTestFinished(() => void process.off('warning', onWarning))
    const app = Fastify({ http2: true }) as unknown as FastifyInstance
    await mount(app)
    const session = connect(await app.listen({ host: '127.0.0.1', port: 0 }))
    onTestFinished(() => session.destroy())
    const { taskId } = await app.tasks.createTask(hello)
    const stream = session.request({ [constants.HTTP2_HEADER_PATH]: `/api/admin/tasks/${taskId}/events` })
    const [headers] = (await once(stream, 'response')) as [Record<string, unknown>]
    expect(headers).toMatchObject({ ':status': 200, 'content-type': 'text/event-stream' })
    let received = ''
    for (stream.setEncoding('utf8'); !received.includes(taskId); ) received += (await once(stream, 'data'))[0]
    session.close()
    expect(warnings).toEqual([])
  })

  test.each<[string, FastifyServerOptions]>([
    ['idle connections', { connectionTimeout: 3_000 }],
    ['handlers', { handlerTimeout: 3_000 }],
  ])('outlives the limit of the host for %s', async (_name, options) => {
    const app = Fastify(options)
    await mount(app)
    const url = await app.listen({ host: '127.0.0.1', port: 0 })
    const { taskId } = await app.tasks.createTask(hello, {}, { runAt: new Date(Date.now() + 3_600_000) })
    const response = await fetch(`${url}/api/admin/tasks/${taskId}/events`)
    const idle = new Promise((resolve) => setTimeout(resolve, 6_000))
    const cancelled = idle.then(() => app.tasks.cancelTask(taskId))
    await readUntil(response.body as unknown as AsyncIterable<Uint8Array>, 'event: end')
    await cancelled
  })
})

describe('an app that is closed', () => {
  const ignore = (begun: PromiseLike<unknown>) => void begun.then(undefined, () => {})
  const close = (app: FastifyInstance) => app.close()
  const listenAndClose = (app: FastifyInstance) => {
    ignore(app.listen({ host: '127.0.0.1', port: 0 }))
    return close(app)
  }
  const readyAndClose = (app: FastifyInstance) => {
    ignore(app.ready())
    return close(app)
  }
  test.each<[string, (app: FastifyInstance) => Promise<unknown>]>([
    ['while it begins to listen', listenAndClose],
    ['while it becomes ready', readyAndClose],
    ['before it is ready', close],
    ['twice', (app) => Promise.all([close(app), close(app)])],
    ['when it is ready', (app) => Promise.resolve(app.ready()).then(() => close(app))],
  ])('%s, starts nothing and leaves nothing', async (_name, run) => {
    for (const executor of [true, false]) {
      const errors: unknown[] = []
      const app = Fastify({
        logger: { level: 'warn', stream: { write: (line: string) => void errors.push(JSON.parse(line)) } },
      })
      const schedules = [{ name: 'daily', cron: '@daily', task: hello }]
      app.register(asyncTasks, { ...base(), executor, schedules })
      await run(app)
      if (executor)
        expect(app.taskExecutor?.health()).toMatchObject({ ok: false, reasons: ['shutting down'] })
      expect(errors).toEqual([])
    }
    const { rows } = await database.pool.query(
      'select from async_task_executors where stopped_at is null or heartbeat_at < started_at',
    )
    expect(rows).toEqual([])
  })

  test('lets its process exit', async () => {
    const script = `
      import Fastify from 'fastify'
      import asyncTasks from '${path.resolve(import.meta.dirname, '../../src/plugin.ts')}'
      const app = Fastify()
      app.register(asyncTasks, { connectionString: process.argv[1], tasks: [], authorize: false, migrate: false })
      void app.listen({ host: '127.0.0.1', port: 0 }).catch(() => {})
      await app.close()
      console.log('closed')`
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, database.url], {
      cwd: path.resolve(import.meta.dirname, '../..'),
    })
    onTestFinished(() => void child.kill('SIGKILL'))
    const [code] = await once(child, 'exit')
    expect(code).toBe(0)
  })
})

test('an app that registers it twice is told so, and keeps the first', async () => {
  const app = await mount(Fastify(), { prefix: '/ops' })
  const again = app.register(asyncTasks, { ...base(), prefix: '/other' })
  await expect(again).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining('app.tasks exists already'),
  })
})

test('two scopes of an app may have one each', async () => {
  const app = Fastify()
  onTestFinished(() => app.close())
  for (const prefix of ['/one', '/two']) {
    await app.register(
      async (scope) => {
        await scope.register(asyncTasks, { ...base(), executor: false, dashboard: true })
      },
      { prefix },
    )
  }
  await app.ready()
  for (const prefix of ['/one', '/two']) {
    expect((await app.inject(`${prefix}/admin/`)).statusCode).toBe(200)
    expect((await app.inject(`${prefix}/api/admin/tasks`)).statusCode).toBe(200)
  }
})
