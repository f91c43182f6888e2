import Fastify, { type FastifyInstance } from 'fastify'
import { beforeAll, describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import asyncTasks from '../../src/plugin.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { examplesNotRunBy } from '../support/docs.ts'

const registry = createTaskRegistry()
const tasks = [registry.task('hello')(() => 'world')]
const findUser = (authorization: string | undefined) =>
  authorization === 'Bearer secret' ? { id: 7, isStaff: false } : undefined

let database: TestDatabase
let connectionString: string
let app: FastifyInstance

beforeAll(async () => {
  database = await createTestDatabase()
  connectionString = database.directUrl
  return () => database.drop()
})

test('every example of docs/security.md is run here', () => {
  expect(examplesNotRunBy(import.meta.url, 'security.md')).toEqual([])
})

const authorizing = async () => {
  await app.register(asyncTasks, {
    connectionString,
    tasks,
    authorize: (request) => findUser(request.headers.authorization), // { id: 7 }, or undefined: 401
  })
}
const withRoles = async () => {
  await app.register(asyncTasks, {
    connectionString,
    tasks,
    authorize: (request) => {
      const user = findUser(request.headers.authorization)
      return user && { id: user.id, role: user.isStaff ? 'viewer' : 'owner' }
    },
  })
}
const guardingScope = async () => {
  await app.register(async (scope) => {
    scope.addHook('onRequest', async (request) => {
      if (!findUser(request.headers.authorization))
        throw Object.assign(new Error('log in first'), { statusCode: 401 })
    })
    await scope.register(asyncTasks, { connectionString, tasks, authorize: false })
  })
}
const guardingRoutes = async () => {
  app.addHook('onRequest', async ({ headers, routeOptions }) => {
    if (routeOptions.url?.startsWith('/api/admin') && !findUser(headers.authorization)) {
      throw Object.assign(new Error('log in first'), { statusCode: 401 })
    }
  })
  await app.register(asyncTasks, { connectionString, tasks, authorize: false })
}

describe.each([
  ['authorize', authorizing],
  ['authorize with roles', withRoles],
  ['a hook of the scope', guardingScope],
  ['a hook of the app', guardingRoutes],
])('%s', (_name, register) => {
  beforeAll(async () => {
    app = Fastify({
      // Until the plugin has started its routes return 503, on a loaded machine too.
      pluginTimeout: 0,
      routerOptions: { caseSensitive: false, ignoreDuplicateSlashes: true, ignoreTrailingSlash: true },
    })
    await register()
    await app.ready()
    return () => app.close()
  })
  test.each([
    '/api/admin/tasks',
    '/%61pi/admin/tasks',
    '/api/admin/%74asks',
    'http://x/api/admin/tasks',
    '//api/admin/tasks',
    '/API/ADMIN/tasks',
    '/api/admin/tasks/',
  ])('lets only users in, however they write %s', async (url) => {
    const headers = { authorization: 'Bearer undefined' }
    expect([401, 404]).toContain((await app.inject({ url })).statusCode)
    expect([401, 404]).toContain((await app.inject({ url, headers })).statusCode)
    const known = { authorization: 'Bearer secret' }
    expect((await app.inject({ url: '/api/admin/tasks', headers: known })).statusCode).toBe(200)
  })
})
