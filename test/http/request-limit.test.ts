import type { InjectOptions } from 'fastify'
import { afterEach, expect, test } from 'vitest'
import { ADMIN, type BundledServer, logIn, startBundledServer, withToken } from './bundled-server.ts'

let server: BundledServer
afterEach(() => server.close())

const URL = '/api/admin/task-types'

test('a user who sends too many requests waits, and nobody else does', async () => {
  server = await startBundledServer({ env: { REQUESTS_PER_MINUTE: '10' } })
  for (let request = 1; request <= 10; request++) {
    expect((await server.asAdmin({ url: URL })).statusCode).toBe(200)
  }
  // Another session of the same user, from elsewhere.
  const token = await logIn(server.app, ADMIN)
  const refused = await server.app.inject(withToken({ url: URL, remoteAddress: '198.51.100.7' }, token))
  expect(refused.json()).toMatchObject({ status: 429, code: 'TOO_MANY_REQUESTS' })
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0)
  expect(Number(refused.headers['retry-after'])).toBeLessThanOrEqual(60)
  // Refused for what they may not do, not for how often.
  expect((await server.asUser({ url: URL })).statusCode).toBe(403)
  expect((await server.app.inject({ url: URL })).statusCode).toBe(401)
})

test.each<InjectOptions>([
  { url: '/api/admin/auth/me' },
  { url: '/api/admin/auth/sessions' },
  { url: '/api/admin/auth/users' },
  { url: '/api/admin/auth/users/nobody' },
  { url: '/api/admin/auth/password', method: 'POST' },
])('requests about accounts count, too: $url', async (request) => {
  server = await startBundledServer({ env: { REQUESTS_PER_MINUTE: '2' } })
  for (let n = 1; n <= 2; n++) expect((await server.asAdmin(request)).statusCode).not.toBe(429)
  expect((await server.asAdmin(request)).json()).toMatchObject({ status: 429, code: 'TOO_MANY_REQUESTS' })
})

test('an address that sends too many requests waits, and no other does', async () => {
  server = await startBundledServer({ env: { REQUESTS_PER_MINUTE: '1' } })
  const ask = (url: string, remoteAddress: string) => server.app.inject({ url, remoteAddress })
  const statuses = []
  for (let n = 1; n <= 12; n++) statuses.push((await ask('/nowhere', '2001:db8::1')).statusCode)
  expect(statuses).toEqual([...Array.from({ length: 10 }, () => 404), 429, 429])
  for (const url of ['/admin/', '/docs/json', '/metrics', '/api/admin/auth/me', '/api/admin/tasks']) {
    expect((await ask(url, '2001:db8::2')).json()).toMatchObject({ status: 429, code: 'TOO_MANY_REQUESTS' })
    expect((await ask(url, '198.51.100.7')).statusCode).not.toBe(429)
  }
  // A probe that is refused would restart the server.
  expect((await ask('/health/live', '2001:db8::1')).statusCode).toBe(200)
})
