import { Writable } from 'node:stream'
import Fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import type { Authorize } from '../../src/http/authorize.ts'
import asyncTasks, { type AsyncTasksOptions } from '../../src/plugin.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

const { task } = createTaskRegistry()
const hello = task('hello')(() => 'world')

let database: TestDatabase
let app: FastifyInstance
let logged: string[]

beforeAll(async () => {
  database = await createTestDatabase()
  return () => database.drop()
})
afterEach(() => app.close())

const create = { method: 'POST', url: '/api/admin/tasks', payload: { taskType: 'hello' } } as const

async function startHost(
  options: Pick<AsyncTasksOptions, 'authorize'>,
  prepare: (host: FastifyInstance) => void = () => undefined,
  server: FastifyServerOptions = {},
): Promise<void> {
  logged = []
  const stream = new Writable({
    write(chunk, _encoding, done) {
      logged.push(String(chunk))
      done()
    },
  })
  app = Fastify({ ...server, logger: { level: 'warn', stream } })
  // A scope of its own, as a host that guards it by a hook would have.
  await app.register(async (scope) => {
    prepare(scope)
    await scope.register(asyncTasks, { pool: database.pool, tasks: [hello], executor: false, ...options })
  })
  await app.ready()
}

const startWith = (asker: unknown) => startHost({ authorize: (() => asker) as unknown as Authorize })

describe('authorize', () => {
  test.each<[string, unknown, string]>([
    ['an empty id', { id: '' }, 'is empty'],
    ['a blank id', { id: ' \t\u00a0\u200b' }, 'is empty'],
    ['an id with NUL', { id: 'a\u0000b' }, 'cannot be stored'],
    ['an id with a lone surrogate', { id: 'a\ud800' }, 'cannot be stored'],
    ['an id of 201 characters', { id: 'a'.repeat(201) }, 'longer than 200'],
    ['0', { id: 0 }, 'no positive whole number'],
    ['a negative number', { id: -1 }, 'no positive whole number'],
    ['a fraction', { id: 1.5 }, 'no positive whole number'],
    ['NaN', { id: Number.NaN }, 'no positive whole number'],
    ['infinity', { id: Number.POSITIVE_INFINITY }, 'no positive whole number'],
    ['2^53', { id: 2 ** 53 }, 'no positive whole number'],
    ['0n', { id: 0n }, 'no positive whole number'],
    ['-1n', { id: -1n }, 'no positive whole number'],
    ['a bigint of 201 digits', { id: 10n ** 200n }, 'longer than 200'],
    ['false', { id: false }, 'is a boolean'],
    ['true', { id: true }, 'is a boolean'],
    ['null', { id: null }, 'is null'],
    ['a symbol', { id: Symbol('x') }, 'is a symbol'],
    ['a function', { id: () => 'x' }, 'is a function'],
    ['an object', { id: {} }, 'is an object'],
    ['an array', { id: ['x'] }, 'is an object'],
    ['a boxed string', { id: Object('x') }, 'is an object'],
    ['a promise', { id: Promise.resolve('x') }, 'is a promise'],
    ['no id', {}, 'is missing'],
    ['an array', [], 'is missing'],
    ['true', true, 'a boolean instead of an object'],
    ['a text', 'admin', 'a string instead of an object'],
    ['a promise of an empty id', Promise.resolve({ id: '' }), 'is empty'],
    [
      'an id that throws',
      {
        get id() {
          throw new Error('secret')
        },
      },
      'id throws',
    ],
  ])('that returns %s lets nobody in, and the log names the fault once', async (_name, asker, fault) => {
    await startWith(asker)
    for (let request = 1; request <= 2; request++) {
      const refused = await app.inject(create)
      expect(refused.json()).toMatchObject({ status: 401, code: 'UNAUTHENTICATED' })
    }
    const warnings = logged.filter((line) => line.includes('authorize returned'))
    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toContain(fault)
    expect(warnings[0]).not.toContain('secret')
  })

  test.each<[string, unknown, string]>([
    ['an unknown role', 'superuser', 'a role that is unknown'],
    ['a role with other capitals', 'Admin', 'a role that is unknown'],
    ['an empty role', '', 'a role that is unknown'],
    ['null for a role', null, 'a role that is null'],
    ['undefined for a role', undefined, 'a role that is undefined'],
    ['a number', 1, 'a role that is a number'],
    ['a list', ['admin'], 'a role that is an object'],
    ['a boxed string', Object('admin'), 'a role that is an object'],
    ['the name of a method', 'toString', 'a role that is unknown'],
  ])(
    'that returns %s is a fault of the host, and nobody becomes an admin by it',
    async (_name, role, fault) => {
      await startWith({ id: 'root', role })
      for (const request of [create, create, { url: '/api/admin/tasks' }]) {
        const refused = await app.inject(request)
        expect(refused.json()).toMatchObject({ status: 500, code: 'INTERNAL' })
      }
      expect(logged).toHaveLength(1)
      expect(logged[0]).toContain(
        `authorize returned ${fault}; expected the role 'admin', 'viewer', 'owner' or no property of this name`,
      )
      expect(logged[0]).not.toContain('superuser')
    },
  )

  test('that returns a role that throws is a fault of the host, and what it throws stays unsaid', async () => {
    await startWith({
      id: 'root',
      get role() {
        throw new Error('secret')
      },
    })
    expect((await app.inject(create)).statusCode).toBe(500)
    expect(logged.join('')).toContain('a role that throws')
    expect(logged.join('')).not.toContain('secret')
  })

  test('that returns a wrong id and a wrong role lets nobody in', async () => {
    await startWith({ id: '', role: 'superuser' })
    expect((await app.inject(create)).statusCode).toBe(401)
  })

  test.each([
    [{ id: 7 }, { id: '7', name: null, role: 'admin' }],
    [
      { id: 'a', name: null, role: 'viewer' },
      { id: 'a', name: null, role: 'viewer' },
    ],
    [
      { id: 2n, name: 'Ada', role: 'owner' },
      { id: '2', name: 'Ada', role: 'owner' },
    ],
    [
      { id: 'a', name: { first: 'Ada' } },
      { id: 'a', name: null, role: 'admin' },
    ],
  ])('that returns %o is told so by GET /me', async (asker, caller) => {
    await startWith(asker)
    expect((await app.inject('/api/admin/me')).json()).toEqual(caller)
    expect(logged).toEqual([])
  })

  test.each([undefined, null])('that returns %s lets nobody in, which is no fault', async (asker) => {
    await startWith(asker)
    expect((await app.inject(create)).statusCode).toBe(401)
    expect(logged).toEqual([])
  })

  test.each<[unknown, string]>([
    ['root', 'root'],
    [' ü😀', ' ü😀'],
    ['a'.repeat(200), 'a'.repeat(200)],
    [1, '1'],
    [Number.MAX_SAFE_INTEGER, '9007199254740991'],
    [2n ** 64n, '18446744073709551616'],
  ])('that returns the id %s lets it in, and its tasks carry it', async (id, createdBy) => {
    await startWith({ id })
    const created = await app.inject(create)
    expect([created.statusCode, created.json().createdBy]).toEqual([201, createdBy])
    expect(logged).toEqual([])
  })

  test('may keep the id behind a getter, which is read once', async () => {
    const ids = ['root', '']
    await startWith({
      get id() {
        return ids.shift()
      },
    })
    expect((await app.inject(create)).json().createdBy).toBe('root')
  })
})

describe('with authorize: false', () => {
  const refuse = () => {
    throw Object.assign(new Error('not you'), { statusCode: 401 })
  }
  /** Ways to write a path that the router takes for the same one. */
  const spellings = [
    '/api/admin/tasks',
    '/%61pi/admin/tasks',
    '/api/%61dmin/tasks',
    '/api/admin/%74asks',
    'http://x/api/admin/tasks',
    'http://x/%61pi/admin/tasks',
    '//api/admin/tasks',
    '/api//admin/tasks',
    '/API/admin/tasks',
    '/api/admin/tasks/',
    '/api/admin/tasks;x',
    '/api/admin/tasks#x',
    '/./api/admin/tasks',
  ]
  const lenient: FastifyServerOptions = {
    routerOptions: {
      caseSensitive: false,
      ignoreDuplicateSlashes: true,
      ignoreTrailingSlash: true,
    },
  }

  test.each(spellings)('a hook of the scope guards %s', async (url) => {
    await startHost(
      { authorize: false },
      (scope) => scope.addHook('onRequest', async () => refuse()),
      lenient,
    )
    expect([401, 404]).toContain((await app.inject({ url })).statusCode)
  })

  test.each(spellings)('a hook of the app that asks for the route guards %s', async (url) => {
    const guardRoute = (scope: FastifyInstance) =>
      scope.addHook('onRequest', async (request) => {
        if (request.routeOptions.url?.startsWith('/api/admin')) refuse()
      })
    await startHost({ authorize: false }, guardRoute, lenient)
    expect([401, 404]).toContain((await app.inject({ url })).statusCode)
  })

  test.each(spellings)('even a hook that compares request.url lets nobody in by %s', async (url) => {
    const guardUrl = (scope: FastifyInstance) =>
      scope.addHook('onRequest', async (request) => {
        if (request.url.startsWith('/api/admin/tasks')) refuse()
      })
    await startHost({ authorize: false }, guardUrl, lenient)
    expect([401, 404]).toContain((await app.inject({ url })).statusCode)
  })

  test.each([
    '/api/admin/tasks',
    '/api/admin/tasks?page=1&q=%61',
    '/api/admin/task-types',
    '/api/admin/tasks/',
  ])('who passes the guard reads %s', async (url) => {
    await startHost({ authorize: false }, undefined, lenient)
    expect((await app.inject({ url })).statusCode).toBe(200)
  })

  test('whoever comes is an admin without a name', async () => {
    await startHost({ authorize: false })
    expect((await app.inject('/api/admin/me')).json()).toEqual({ id: null, name: null, role: 'admin' })
  })

  test('a value inside a path may be escaped in any way', async () => {
    await startHost({ authorize: false })
    const { taskId } = (await app.inject(create)).json<{ taskId: string }>()
    const url = `/api/admin/tasks/%74${taskId.slice(1)}`
    expect((await app.inject({ url })).json().taskId).toBe(taskId)
  })

  test('a prefix may have parameters and letters that URLs escape', async () => {
    logged = []
    app = Fastify()
    await app.register(
      async (scope) => {
        await scope.register(asyncTasks, {
          pool: database.pool,
          tasks: [hello],
          executor: false,
          authorize: false,
          prefix: '/übersicht',
        })
      },
      { prefix: '/of/:tenant' },
    )
    await app.ready()
    const path = `/of/one/${encodeURIComponent('übersicht')}/tasks`
    expect((await app.inject(path)).statusCode).toBe(200)
    expect((await app.inject(path.replace('/of/', '/%6ff/'))).statusCode).toBe(404)
  })
})
