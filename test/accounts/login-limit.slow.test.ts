import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { ADMIN, type BundledServer, postLogin, startBundledServer } from '../http/bundled-server.ts'

let server: BundledServer

beforeAll(async () => {
  server = await startBundledServer()
})
afterAll(() => server.close())
afterEach(() => {
  vi.useRealTimers()
})

const guess = (username: string, remoteAddress = '127.0.0.1') =>
  server.app.inject({
    method: 'POST',
    url: '/api/admin/auth/login',
    payload: { username, password: 'guess' },
    remoteAddress,
  })

async function guesses(username: string, addresses: readonly string[]): Promise<number[]> {
  const statuses = []
  for (const address of addresses) statuses.push((await guess(username, address)).statusCode)
  return statuses
}

test('five failures for an address and a name close the door for both', async () => {
  for (let failure = 1; failure <= 5; failure++) {
    expect((await guess('admin', '198.51.100.1')).statusCode).toBe(401)
  }
  const refused = await guess('admin', '198.51.100.1')
  expect(refused.json()).toMatchObject({ status: 429, code: 'TOO_MANY_FAILURES' })
  const wait = Number(refused.headers['retry-after'])
  expect(wait).toBeGreaterThan(50)
  expect(wait).toBeLessThanOrEqual(60)
  // The right password does not help now; another name or another address does.
  const right = { method: 'POST', url: '/api/admin/auth/login', payload: ADMIN } as const
  expect((await server.app.inject({ ...right, remoteAddress: '198.51.100.1' })).statusCode).toBe(429)
  expect((await server.app.inject({ ...right, remoteAddress: '198.51.100.2' })).statusCode).toBe(200)
  expect((await guess('somebody', '198.51.100.1')).statusCode).toBe(401)
})

test('the door opens again after a minute', async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() })
  await guesses(
    'opens',
    Array.from({ length: 5 }, () => '198.51.100.3'),
  )
  expect((await guess('opens', '198.51.100.3')).statusCode).toBe(429)
  vi.setSystemTime(Date.now() + 60_001)
  expect((await guess('opens', '198.51.100.3')).statusCode).toBe(401)
})

test('successes neither count nor forgive', async () => {
  for (let attempt = 1; attempt <= 4; attempt++) await guess('admin')
  for (let attempt = 1; attempt <= 6; attempt++)
    expect((await postLogin(server.app, ADMIN)).statusCode).toBe(200)
  expect((await guess('admin')).statusCode).toBe(401)
  expect((await postLogin(server.app, ADMIN)).statusCode).toBe(429)
})

test('guesses that arrive together are counted one by one', async () => {
  const answers = await Promise.all(Array.from({ length: 20 }, () => guess('hurried')))
  const statuses = answers.map(({ statusCode }) => statusCode)
  expect(statuses.filter((status) => status === 401)).toHaveLength(5)
  expect(statuses.filter((status) => status === 429)).toHaveLength(15)
})

test('an IPv6 network counts as one address, and IPv4 inside IPv6 as itself', async () => {
  const network = [
    '2001:db8:1:2::1',
    '2001:db8:1:2::2',
    '2001:db8:1:2:ffff::',
    '2001:db8:1:2:a:b:c:d',
    '2001:db8:1:2::9',
  ]
  expect(await guesses('six', network)).toEqual([401, 401, 401, 401, 401])
  expect((await guess('six', '2001:db8:1:2::abcd')).statusCode).toBe(429)
  expect((await guess('six', '2001:db8:1:3::1')).statusCode).toBe(401)
  await guesses(
    'four',
    Array.from({ length: 5 }, () => '::ffff:198.51.100.7'),
  )
  expect((await guess('four', '::ffff:198.51.100.8')).statusCode).toBe(401)
})
