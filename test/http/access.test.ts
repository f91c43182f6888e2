import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BundledServer, startBundledServer } from './bundled-server.ts'

let server: BundledServer

beforeAll(async () => {
  server = await startBundledServer()
})
afterAll(() => server.close())

/** Each method and path that was registered under the prefix, with an id in place of each parameter. */
function prefixRoutes() {
  return server.routes
    .flatMap(({ method, url }) => [method].flat().map((one) => ({ method: one, url })))
    .filter(({ url }) => url.startsWith('/api/admin'))
    .map(({ method, url }) => ({ method: method as 'GET', url: url.replaceAll(/:\w+/g, 'task_1') }))
}

const isOfOwnAccount = (url: string) => /^\/api\/admin\/auth\/(?!users)/.test(url)

test('every route of the prefix answers 401 without credentials', async () => {
  const guarded = prefixRoutes().filter(({ url }) => !isOfOwnAccount(url))
  expect(guarded.length).toBeGreaterThan(15)
  const ownAccount = [
    { method: 'GET', url: '/api/admin/auth/me' },
    { method: 'POST', url: '/api/admin/auth/logout' },
    { method: 'POST', url: '/api/admin/auth/password' },
    { method: 'GET', url: '/api/admin/auth/sessions' },
    { method: 'DELETE', url: '/api/admin/auth/sessions' },
    { method: 'DELETE', url: '/api/admin/auth/sessions/session_1' },
  ] as const
  for (const route of [...guarded, ...ownAccount]) {
    const answer = await server.app.inject(route)
    expect.soft(answer.statusCode, `${route.method} ${route.url}`).toBe(401)
    expect.soft(answer.headers['content-type']).toContain('application/problem+json')
  }
})

test('every route but those of the own account answers 403 to a user who is no admin', async () => {
  const routes = prefixRoutes().filter(({ url }) => !isOfOwnAccount(url))
  expect(routes.length).toBeGreaterThan(15)
  for (const route of routes) {
    const answer = await server.asUser(route)
    expect.soft(answer.statusCode, `${route.method} ${route.url}`).toBe(403)
    expect.soft(answer.headers['content-type']).toContain('application/problem+json')
  }
})

test('an unknown path under the prefix tells a stranger nothing but 401', async () => {
  const answer = await server.app.inject('/api/admin/nowhere')
  expect(answer.statusCode).toBe(401)
  expect((await server.asAdmin({ url: '/api/admin/nowhere' })).statusCode).toBe(404)
})

test.each(['Bearer', 'Bearer ', 'Bearer x', 'Bearer a.b.c', 'Basic YWRtaW46YWRtaW4=', 'bearer null'])(
  'the header "Authorization: %s" is no credential',
  async (authorization) => {
    const answer = await server.app.inject({ url: '/api/admin/tasks', headers: { authorization } })
    expect(answer.statusCode).toBe(401)
  },
)

test('a token that says alg none or is signed by another secret is no credential', async () => {
  const unsigned = `${encode({ alg: 'none', typ: 'JWT' })}.${encode({ sub: 'x', jti: 'y' })}.`
  for (const token of [unsigned, `${unsigned}c2ln`]) {
    const headers = { authorization: `Bearer ${token}` }
    const answer = await server.app.inject({ url: '/api/admin/tasks', headers })
    expect(answer.statusCode).toBe(401)
  }
})

test('a known path with another method answers 405 and says which it allows', async () => {
  const answer = await server.app.inject('/api/admin/auth/login')
  expect(answer.statusCode).toBe(405)
  expect(answer.headers.allow).toBe('POST')
})

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
