import swagger from '@fastify/swagger'
import Fastify, { type FastifyInstance, type onRequestAsyncHookHandler } from 'fastify'
import { jsonSchemaTransform } from 'fastify-type-provider-zod'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import asyncTasks from '../../src/plugin.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

const { task } = createTaskRegistry()
const hello = task('hello')(() => 'world')

let database: TestDatabase
let app: FastifyInstance

beforeAll(async () => {
  database = await createTestDatabase('empty')
  return () => database.drop()
})
afterEach(() => app.close())

type Authorize = (request: { headers: Record<string, unknown> }) => { id: string }
const byHeader: Authorize = ({ headers }) => {
  if (headers['x-user'] === undefined) throw Object.assign(new Error('who are you?'), { statusCode: 401 })
  if (headers['x-user'] !== 'root') throw Object.assign(new Error('not you'), { statusCode: 403 })
  return { id: 'root' }
}
const root = { 'x-user': 'root' }

/** A host with habits of its own: Ajv with coercion, its own errors, 404 and text parser. */
async function startHost(
  options: { swagger?: 'plain' | 'zod'; authorize?: Authorize | false } = {},
): Promise<void> {
  app = Fastify()
  app.setErrorHandler((error, _request, reply) => {
    const { code } = error as { code?: string }
    return reply.code(418).send({ host: 'says no', code })
  })
  app.setNotFoundHandler((_request, reply) => reply.code(404).send({ host: 'knows no such thing' }))
  app.addContentTypeParser('text/csv', { parseAs: 'string' }, (_request, body, done) => done(null, body))
  if (options.swagger) {
    const transform = options.swagger === 'zod' ? { transform: jsonSchemaTransform } : {}
    await app.register(swagger, {
      openapi: { openapi: '3.1.0', info: { title: 'host', version: '1' } },
      ...transform,
    })
  }
  await app.register(asyncTasks, {
    pool: database.pool,
    tasks: [hello],
    prefix: '/ops',
    authorize: options.authorize ?? byHeader,
  })
  const schema =
    options.swagger === 'zod'
      ? {}
      : { querystring: { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] } }
  app.get('/own', { schema }, async (request) => ({ query: request.query, extra: 1 }))
  app.post('/own', async (request) => ({ body: request.body }))
  await app.ready()
}

test('responses of the routes carry the headers that browsers heed, those of the host do not', async () => {
  await startHost()
  const heeded = {
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
  }
  for (const url of ['/ops/tasks', '/ops/nowhere', '/ops/tasks/task_1']) {
    expect((await app.inject({ url, headers: root })).headers).toMatchObject(heeded)
    expect((await app.inject({ url })).headers).toMatchObject(heeded)
  }
  const { headers } = await app.inject('/own?n=5')
  for (const name of Object.keys(heeded)) expect(headers).not.toHaveProperty(name)
})

describe('the host', () => {
  test('keeps its validator, its error handler, its parsers and its 404', async () => {
    await startHost()
    expect((await app.inject('/own?n=5&more=1')).json()).toEqual({ query: { n: 5, more: '1' }, extra: 1 })
    expect((await app.inject('/own?n=five')).json()).toEqual({ host: 'says no', code: 'FST_ERR_VALIDATION' })
    const csv = { 'content-type': 'text/csv' }
    const posted = await app.inject({ method: 'POST', url: '/own', payload: 'a,b', headers: csv })
    expect(posted.json()).toEqual({ body: 'a,b' })
    const empty = { 'content-type': 'application/json' }
    const refused = await app.inject({ method: 'POST', url: '/own', headers: empty })
    expect(refused.json()).toEqual({ host: 'says no', code: 'FST_ERR_CTP_EMPTY_JSON_BODY' })
    const lost = await app.inject('/nowhere')
    expect([lost.statusCode, lost.json()]).toEqual([404, { host: 'knows no such thing' }])
    expect(lost.headers['cache-control']).toBeUndefined()
  })

  test.each(['plain', 'zod'] as const)('can document itself, with the %s transform', async (kind) => {
    await startHost({ swagger: kind })
    const { paths } = app.swagger() as { paths: Record<string, Record<string, unknown>> }
    expect(Object.keys(paths)).toEqual(
      expect.arrayContaining(['/own', '/ops/tasks', '/ops/tasks/{taskId}/cancel']),
    )
    const document = JSON.stringify(app.swagger())
    expect(document).not.toContain('"_zod"')
    expect(document).not.toContain('"def"')
    expect(document).not.toContain('$ref')
  })
})

describe('the plugin in it', () => {
  test('asks the host who it is, and answers its 401 and 403 as problem details', async () => {
    await startHost()
    const stranger = await app.inject('/ops/tasks')
    expect(stranger.headers['content-type']).toContain('application/problem+json')
    expect(stranger.json()).toMatchObject({ status: 401, code: 'UNAUTHENTICATED', detail: 'who are you?' })
    const guest = await app.inject({ url: '/ops/tasks', headers: { 'x-user': 'guest' } })
    expect(guest.json()).toMatchObject({ status: 403, code: 'FORBIDDEN' })
    expect((await app.inject({ url: '/ops/tasks', headers: root })).statusCode).toBe(200)
  })

  test.each([undefined, null, true, {}, { id: null }])(
    'lets nobody in when the host answers %j',
    async (nobody) => {
      // What a host written in JavaScript may return whatever the types say.
      await startHost({ authorize: (() => nobody) as unknown as Authorize })
      expect((await app.inject('/ops/tasks')).statusCode).toBe(401)
    },
  )

  test('does not tell what went wrong inside authorize', async () => {
    await startHost({
      authorize: () => {
        throw new Error('ldap://secret-host refused')
      },
    })
    const answer = await app.inject('/ops/tasks')
    expect(answer.json()).toMatchObject({ status: 500, code: 'INTERNAL' })
    expect(answer.body).not.toContain('secret-host')
  })

  test('runs a task that was created over REST, in the name of who asked', async () => {
    await startHost()
    const created = await app.inject({
      method: 'POST',
      url: '/ops/tasks',
      headers: root,
      payload: { taskType: 'hello', params: {} },
    })
    expect(created.headers.location).toBe(`/ops/tasks/${created.json().taskId}`)
    const ended = await app.tasks.waitFor(created.json().taskId, { timeoutMs: 10_000 })
    expect(ended).toMatchObject({ status: 'completed', result: 'world', createdBy: 'root' })
  })

  test('creates tasks of nobody where the host guards the prefix by itself', async () => {
    await startHost({ authorize: false })
    const payload = { taskType: 'hello', params: {} }
    const created = await app.inject({ method: 'POST', url: '/ops/tasks', payload })
    expect([created.statusCode, created.json().createdBy]).toEqual([201, null])
  })
})

test.each(['', '/', 'ops', '/ops/'])('a prefix of %j is refused in words of our own', async (prefix) => {
  app = Fastify()
  const start = app.register(asyncTasks, { pool: database.pool, tasks: [hello], prefix, authorize: false })
  await expect(start).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining('prefix must start with'),
  })
})

describe('a hook of the host around the routes', () => {
  async function startGuarded(guard: onRequestAsyncHookHandler): Promise<void> {
    app = Fastify()
    await app.register(async (scope) => {
      scope.addHook('onRequest', guard)
      const options = { prefix: '/ops', authorize: false, executor: false } as const
      await scope.register(asyncTasks, { pool: database.pool, tasks: [hello], ...options })
    })
  }

  test('asks for credentials in its own way', async () => {
    await startGuarded(async (_request, reply) => {
      reply.header('www-authenticate', 'Basic realm="jobs"')
      throw Object.assign(new Error('log in first'), { statusCode: 401 })
    })
    const refused = await app.inject('/ops/tasks')
    expect([refused.statusCode, refused.headers['www-authenticate']]).toEqual([401, 'Basic realm="jobs"'])
  })

  test('sheds load, for reasons that stay its own', async () => {
    await startGuarded(async (_request, reply) => {
      reply.header('retry-after', '10')
      throw Object.assign(new Error('heap of 3 GB used'), { statusCode: 503 })
    })
    const refused = await app.inject('/ops/tasks')
    expect(refused.headers['retry-after']).toBe('10')
    expect(refused.json()).toEqual({
      status: 503,
      title: 'Service Unavailable',
      code: 'SERVICE_UNAVAILABLE',
      detail: 'the server cannot serve at the moment; try again later',
    })
  })
})

describe('an authorize that throws what is odd', () => {
  const self = new Error('itself')
  self.cause = self
  const unreadable = (key: string) =>
    Object.defineProperty(new Error('x'), key, {
      get() {
        throw new Error('no')
      },
    })
  const { proxy, revoke } = Proxy.revocable(new Error('revoked'), {})
  revoke()

  test.each<[string, unknown]>([
    ['an error that causes itself', self],
    ['a status that throws', unreadable('statusCode')],
    ['a message that throws', unreadable('message')],
    ['a code that throws', unreadable('code')],
    ['validation that throws', unreadable('validation')],
    ['a broken status', Object.assign(new Error('x'), { statusCode: 404.5 })],
    ['a revoked proxy', proxy],
    ['a symbol', Symbol('s')],
    ['nothing', undefined],
  ])('%s answers 500, and lets nobody in', async (_what, thrown) => {
    await startHost({
      authorize: () => {
        throw thrown
      },
    })
    const response = await app.inject('/ops/tasks')
    expect([response.statusCode, response.json()]).toEqual([
      500,
      expect.objectContaining({ code: 'INTERNAL' }),
    ])
  })

  test.each([
    [
      { statusCode: 403, message: 'not you' },
      { status: 403, code: 'FORBIDDEN', detail: 'not you' },
    ],
    [
      { statusCode: 401, message: 1 },
      { status: 401, code: 'UNAUTHENTICATED', detail: '' },
    ],
    [Object.create({ statusCode: 429 }), { status: 429, code: 'TOO_MANY_REQUESTS', detail: '' }],
    [{ statusCode: 200 }, { status: 500, code: 'INTERNAL' }],
    [{ statusCode: '403' }, { status: 500, code: 'INTERNAL' }],
  ])('%o, which is no error, refuses by its status', async (thrown, problem) => {
    await startHost({
      authorize: () => {
        throw thrown
      },
    })
    expect((await app.inject('/ops/tasks')).json()).toMatchObject(problem)
  })

  test('keeps a refusal whose text is odd', async () => {
    const refusal = Object.assign(new Error('x'), {
      statusCode: 403,
      message: undefined,
      code: 'constructor',
    })
    await startHost({
      authorize: () => {
        throw refusal
      },
    })
    const response = await app.inject('/ops/tasks')
    expect(response.json()).toEqual({ status: 403, title: 'Forbidden', detail: '', code: 'FORBIDDEN' })
  })
})
