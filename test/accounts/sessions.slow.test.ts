import type { InjectOptions } from 'fastify'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import {
  addUser,
  type BundledServer,
  logIn,
  postLogin,
  startBundledServer,
  withToken,
} from '../http/bundled-server.ts'

const PASSWORD = 'the password of all'
const URL = '/api/admin/auth/sessions'

let server: BundledServer
let count = 0
let user = { username: '', password: PASSWORD }

beforeAll(async () => {
  server = await startBundledServer({
    env: { SESSION_TTL_HOURS: '2', SESSION_IDLE_MINUTES: '10', TRUST_PROXY: '127.0.0.1' },
  })
  return () => server.close()
})
beforeEach(async () => {
  user = { ...user, username: `user-${++count}` }
  await addUser(server.database, user, 'viewer')
})

const as = (token: string, request: InjectOptions) => server.app.inject(withToken(request, token))
const list = async (token: string) => (await as(token, { url: URL })).json().sessions
const status = async (token: string) => (await as(token, { url: '/api/admin/auth/me' })).statusCode
/** Makes the sessions of the user older, as if time had passed. */
const age = (column: 'last_used_at' | 'expires_at', minutes: number) =>
  server.database.pool.query(
    `update sessions set ${column} = ${column} - $2 * interval '1 minute' where user_id = $1`,
    [`id-of-${user.username}`, minutes],
  )

describe('the list of sessions', () => {
  test('shows where and when each was opened, the last used first', async () => {
    const first = await logIn(server.app, user)
    const second = await server.app.inject({
      method: 'POST',
      url: '/api/admin/auth/login',
      payload: user,
      headers: { 'user-agent': 'x'.repeat(400), 'x-forwarded-for': '192.0.2.7' },
    })
    const sessions = await list(second.json().token)
    expect(sessions).toHaveLength(2)
    expect(sessions[0]).toMatchObject({
      address: '192.0.2.7',
      userAgent: 'x'.repeat(300),
      current: true,
    })
    expect(sessions[1]).toMatchObject({ address: '127.0.0.1', userAgent: 'lightMyRequest', current: false })
    const [{ lastUsedAt, expiresAt }] = sessions
    expect(Date.parse(expiresAt) - Date.parse(lastUsedAt)).toBe(10 * 60_000)
    expect((await list(first)).map((one: { current: boolean }) => one.current)).toEqual([false, true])
  })

  test('is that of the caller alone', async () => {
    const own = await logIn(server.app, user)
    expect(await list(own)).toHaveLength(1)
    const [{ id }] = await list(own)
    const foreign = await server.asAdmin({ method: 'DELETE', url: `${URL}/${id}` })
    expect(foreign.json()).toMatchObject({ status: 404, code: 'SESSION_NOT_FOUND' })
    expect(await status(own)).toBe(200)
    expect((await server.app.inject({ url: URL })).statusCode).toBe(401)
  })

  test('keeps the hundred that were used last', async () => {
    const { id: userId } = { id: `id-of-${user.username}` }
    await server.database.pool.query(
      `insert into sessions (id, user_id, expires_at, last_used_at)
       select $1 || '-' || n, $1, now() + interval '1 hour', now() - n * interval '1 second'
         from generate_series(1, 120) n`,
      [userId],
    )
    const sessions = await list(await logIn(server.app, user))
    expect(sessions).toHaveLength(100)
    expect(sessions[0].current).toBe(true)
    expect(sessions.at(-1).id).toBe(`${userId}-99`)
  })
})

test('one session is ended, and then all', async () => {
  const [first, second, third] = [
    await logIn(server.app, user),
    await logIn(server.app, user),
    await logIn(server.app, user),
  ]
  const own = (await list(second)).find((one: { current: boolean }) => one.current)
  expect((await as(first, { method: 'DELETE', url: `${URL}/${own.id}` })).statusCode).toBe(204)
  expect([await status(first), await status(second), await status(third)]).toEqual([200, 401, 200])
  const answer = await as(first, { method: 'DELETE', url: URL })
  expect(answer.statusCode).toBe(204)
  expect(answer.cookies).toMatchObject([{ name: 'async_tasks_session', value: '' }])
  expect([await status(first), await status(third)]).toEqual([401, 401])
})

describe('a session without requests', () => {
  test('ends after SESSION_IDLE_MINUTES, and is swept up at the next log-in', async () => {
    const token = await logIn(server.app, user)
    await age('last_used_at', 9)
    expect(await status(token)).toBe(200)
    await age('last_used_at', 10)
    expect(await status(token)).toBe(401)
    await logIn(server.app, user)
    const { rowCount } = await server.database.pool.query('select from sessions where user_id = $1', [
      `id-of-${user.username}`,
    ])
    expect(rowCount).toBe(1)
  })

  test('ends after SESSION_TTL_HOURS although it is used', async () => {
    const token = await logIn(server.app, user)
    await age('expires_at', 119)
    expect(await status(token)).toBe(200)
    await age('expires_at', 1)
    expect(await status(token)).toBe(401)
  })

  test('is written as used once a minute, however many requests there are', async () => {
    const token = await logIn(server.app, user)
    const version = async () =>
      (
        await server.database.pool.query('select xmin::text, last_used_at from sessions where user_id = $1', [
          `id-of-${user.username}`,
        ])
      ).rows[0]
    const before = await version()
    await Promise.all(Array.from({ length: 20 }, () => status(token)))
    expect(await version()).toEqual(before)
    await age('last_used_at', 2)
    const aged = await version()
    await Promise.all(Array.from({ length: 20 }, () => status(token)))
    const touched = await version()
    expect(touched.last_used_at.getTime()).toBeGreaterThan(aged.last_used_at.getTime() + 100_000)
    await Promise.all(Array.from({ length: 20 }, () => status(token)))
    expect(await version()).toEqual(touched)
  })
})

test('a disabled user has no sessions and cannot log in', async () => {
  const token = await logIn(server.app, user)
  await server.database.pool.query(`update users set disabled = true where username = $1`, [user.username])
  expect(await status(token)).toBe(401)
  expect((await postLogin(server.app, user)).json()).toMatchObject({
    status: 401,
    code: 'INVALID_CREDENTIALS',
  })
})
