import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  ADMIN,
  addUser,
  type BundledServer,
  logIn,
  postLogin,
  startBundledServer,
  USER,
  withToken,
} from '../http/bundled-server.ts'

const COOKIE = 'async_tasks_session'

let server: BundledServer

beforeAll(async () => {
  server = await startBundledServer({ env: { SESSION_TTL_HOURS: '2', TRUST_PROXY: '127.0.0.1' } })
})
afterAll(() => server.close())

const me = (request: InjectOptions) => server.app.inject({ url: '/api/admin/auth/me', ...request })
const logOut = (request: InjectOptions) =>
  server.app.inject({ method: 'POST', url: '/api/admin/auth/logout', ...request })

function sessionCookie(answer: LightMyRequestResponse) {
  const cookie = answer.cookies.find(({ name }) => name === COOKIE)
  if (!cookie) throw new Error('there is no session cookie')
  return cookie
}

test('a user is named to admins by the id', async () => {
  const read = (id: string) => server.asAdmin({ url: `/api/admin/auth/users/${id}` })
  const user = { id: `id-of-${USER.username}`, username: USER.username, role: 'user' }
  expect((await read(user.id)).json()).toEqual({ user })
  expect((await read('nobody')).json()).toMatchObject({ status: 404, code: 'USER_NOT_FOUND' })
  expect((await read('%00')).statusCode).toBe(400)
  expect((await server.asUser({ url: `/api/admin/auth/users/${user.id}` })).statusCode).toBe(403)
})

describe('a log-in', () => {
  test('answers a token and who it is for', async () => {
    const answer = await postLogin(server.app, ADMIN)
    expect(answer.statusCode).toBe(200)
    expect(answer.json()).toEqual({
      token: expect.any(String),
      user: { id: expect.any(String), username: 'admin', role: 'admin' },
    })
    const known = await me(withToken({}, answer.json().token))
    expect(known.json()).toEqual({ user: answer.json().user })
    const [, claims = ''] = answer.json<{ token: string }>().token.split('.')
    const { iat, exp } = JSON.parse(Buffer.from(claims, 'base64url').toString())
    expect(exp - iat).toBe(7_200)
  })

  test('sets a cookie that scripts and other sites cannot use, for as long as the session lasts', async () => {
    const cookie = sessionCookie(await postLogin(server.app, ADMIN))
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: 'Strict', path: '/api/admin', maxAge: 7_200 })
    expect(cookie.secure).toBeUndefined()
    expect((await me({ cookies: { [COOKIE]: cookie.value } })).statusCode).toBe(200)
  })

  test('sets a secure cookie behind TLS', async () => {
    const answer = await server.app.inject({
      method: 'POST',
      url: '/api/admin/auth/login',
      payload: ADMIN,
      headers: { 'x-forwarded-proto': 'https' },
    })
    expect(sessionCookie(answer).secure).toBe(true)
  })

  test.each([
    [{ username: 'admin', password: 'wrong' }],
    [{ username: 'nobody', password: ADMIN.password }],
    [{ username: 'ADMIN', password: ADMIN.password }],
  ])('answers the same 401 whatever is wrong: %j', async (credentials) => {
    const answer = await postLogin(server.app, credentials)
    expect(answer.json()).toEqual({
      status: 401,
      title: 'Unauthorized',
      code: 'INVALID_CREDENTIALS',
      detail: 'the name or the password is wrong',
    })
    expect(answer.cookies).toEqual([])
  })

  test.each([
    [{}, ['/username', '/password']],
    [{ username: 'a', password: '' }, ['/password']],
    [{ username: 'a\u0000', password: 'b' }, ['/username']],
    [{ username: 'a', password: 'b', role: 'admin' }, ['/role']],
    [{ username: ['a'], password: { length: 1 } }, ['/username', '/password']],
  ])('refuses %j and names the fields', async (payload, pointers) => {
    const answer = await server.app.inject({ method: 'POST', url: '/api/admin/auth/login', payload })
    expect(answer.statusCode).toBe(400)
    expect(answer.json().errors.map((error: { pointer: string }) => error.pointer)).toEqual(pointers)
  })
})

describe('a session', () => {
  test('ends with a log-out, for the cookie and for the bearer token', async () => {
    for (const kind of ['bearer', 'cookie']) {
      const token = await logIn(server.app, ADMIN)
      const bearer = withToken({}, token)
      const cookie = { cookies: { [COOKIE]: token } }
      const answer = await logOut(kind === 'bearer' ? bearer : cookie)
      expect([answer.statusCode, answer.body]).toEqual([204, ''])
      expect(sessionCookie(answer)).toMatchObject({ value: '', path: '/api/admin' })
      expect((await me(bearer)).statusCode).toBe(401)
      expect((await me(cookie)).statusCode).toBe(401)
    }
  })

  test('of its own ends, and no other', async () => {
    const [first, second] = [await logIn(server.app, USER), await logIn(server.app, USER)]
    await logOut(withToken({}, first))
    expect((await me(withToken({}, second))).statusCode).toBe(200)
  })

  test('ends when its time is over', async () => {
    const token = await logIn(server.app, USER)
    await server.database.pool.query(`update sessions set expires_at = now() - interval '1 second'`)
    expect((await me(withToken({}, token))).statusCode).toBe(401)
    // The next log-in sweeps up.
    await logIn(server.app, USER)
    const { rows } = await server.database.pool.query('select 1 from sessions')
    expect(rows).toHaveLength(1)
  })

  test('has the role that its user has now, not the one of the log-in', async () => {
    await addUser(server.database, { username: 'promoted', password: 'soon' }, 'user')
    const request = withToken(
      { url: '/api/admin/tasks' },
      await logIn(server.app, { username: 'promoted', password: 'soon' }),
    )
    const setRole = (role: string) =>
      server.database.pool.query(`update users set role = $1 where username = 'promoted'`, [role])
    expect((await server.app.inject(request)).statusCode).toBe(403)
    await setRole('admin')
    expect((await server.app.inject(request)).statusCode).toBe(200)
    await setRole('viewer')
    expect((await server.app.inject(request)).statusCode).toBe(200)
    await setRole('user')
    expect((await server.app.inject(request)).statusCode).toBe(403)
    await server.database.pool.query(`delete from users where username = 'promoted'`)
    expect((await server.app.inject(request)).statusCode).toBe(401)
  })
})

describe('a page of another site', () => {
  const own = { host: 'tasks.example', 'sec-fetch-site': 'same-origin' }

  test.each([
    [{ host: 'tasks.example', 'sec-fetch-site': 'cross-site' }],
    [{ host: 'tasks.example', 'sec-fetch-site': 'same-site' }],
    [{ host: 'tasks.example', origin: 'https://evil.example' }],
    [{ host: 'tasks.example', origin: 'null' }],
  ])('cannot act with the cookie of a visitor: %j', async (headers) => {
    const token = await logIn(server.app, ADMIN)
    const refused = await logOut({ cookies: { [COOKIE]: token }, headers })
    expect(refused.json()).toMatchObject({ status: 403, code: 'FOREIGN_ORIGIN' })
    expect((await me(withToken({}, token))).statusCode).toBe(200)
    // A token that a program sends on purpose is not a browser's doing.
    expect((await logOut(withToken({ headers }, token))).statusCode).toBe(204)
  })

  test.each([[own], [{ host: 'tasks.example:3000', origin: 'http://tasks.example:3000' }], [{}]])(
    'is not what these headers speak of: %j',
    async (headers) => {
      const token = await logIn(server.app, ADMIN)
      expect((await logOut({ cookies: { [COOKIE]: token }, headers })).statusCode).toBe(204)
    },
  )
})
