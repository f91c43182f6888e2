import type { InjectOptions } from 'fastify'
import { beforeEach, describe, expect, test } from 'vitest'
import {
  ADMIN,
  type BundledServer,
  logIn,
  postLogin,
  startBundledServer,
  VIEWER,
  withToken,
} from '../http/bundled-server.ts'

const URL = '/api/admin/auth/users'
const PASSWORD = 'a password for somebody'

let server: BundledServer

beforeEach(async () => {
  server = await startBundledServer()
  return () => server.close()
})

const list = async () => (await server.asAdmin({ url: URL })).json().users
const idOf = async (username: string): Promise<string> =>
  (await list()).find((one: { username: string }) => one.username === username)?.id
const create = (payload: object) => server.asAdmin({ method: 'POST', url: URL, payload })
const change = (id: string, payload: object) =>
  server.asAdmin({ method: 'PATCH', url: `${URL}/${id}`, payload })
const leaveUnmanaged = () => server.database.pool.query('update users set managed = false')
const me = async (token: string) =>
  (await server.app.inject(withToken({ url: '/api/admin/auth/me' }, token))).statusCode

test('an admin lists all users', async () => {
  expect(await list()).toEqual([
    {
      id: 'id-of-admin',
      username: 'admin',
      role: 'admin',
      disabled: false,
      managed: true,
      createdAt: expect.any(String),
      sessions: 1,
    },
    expect.objectContaining({ username: 'viewer', role: 'viewer', managed: false }),
    expect.objectContaining({ username: 'visitor', role: 'user', managed: false }),
  ])
})

describe('a new user', () => {
  test('logs in with the role that was given', async () => {
    const answer = await create({ username: 'ada', password: PASSWORD, role: 'viewer' })
    expect(answer.statusCode).toBe(201)
    const { user } = answer.json()
    expect(user).toMatchObject({ username: 'ada', role: 'viewer', disabled: false, sessions: 0 })
    expect(answer.headers.location).toBe(`${URL}/${user.id}`)
    const token = await logIn(server.app, { username: 'ada', password: PASSWORD })
    const caller = await server.app.inject(withToken({ url: '/api/admin/me' }, token))
    expect(caller.json()).toEqual({ id: user.id, name: 'ada', role: 'viewer' })
  })

  test.each([
    [{ username: 'admin' }, 409, 'USERNAME_TAKEN'],
    [{ password: 'short' }, 400, 'WEAK_PASSWORD'],
    [{ username: 'a name of its own', password: 'a name of its own' }, 400, 'WEAK_PASSWORD'],
    [{ username: ' ' }, 400, 'INVALID_REQUEST'],
    [{ role: 'user' }, 400, 'INVALID_REQUEST'],
    [{ managed: true }, 400, 'INVALID_REQUEST'],
  ])('with %j is refused', async (fields, status, code) => {
    const answer = await create({ username: 'ada', password: PASSWORD, role: 'admin', ...fields })
    expect(answer.json()).toMatchObject({ status, code })
    expect(await list()).toHaveLength(3)
  })
})

describe('a change of a user', () => {
  test('of the role applies to open sessions', async () => {
    const token = await logIn(server.app, VIEWER)
    const pause = () =>
      server.app.inject(withToken({ method: 'POST', url: '/api/admin/task-types/init_stocks/pause' }, token))
    expect((await pause()).json()).toMatchObject({ status: 403, code: 'READ_ONLY' })
    const answer = await change('id-of-viewer', { role: 'admin' })
    expect(answer.json().user).toMatchObject({ username: 'viewer', role: 'admin' })
    expect((await pause()).statusCode).toBe(200)
  })

  test('disables and enables', async () => {
    const token = await logIn(server.app, VIEWER)
    expect((await change('id-of-viewer', { disabled: true })).json().user).toMatchObject({
      disabled: true,
      sessions: 0,
    })
    expect(await me(token)).toBe(401)
    expect((await postLogin(server.app, VIEWER)).statusCode).toBe(401)
    await change('id-of-viewer', { disabled: false })
    // Not the old session: it has ended.
    expect(await me(token)).toBe(401)
    expect((await postLogin(server.app, VIEWER)).statusCode).toBe(200)
  })

  test('resets the password and renames, all of it or nothing', async () => {
    const token = await logIn(server.app, VIEWER)
    const refused = await change('id-of-viewer', { username: 'admin', password: PASSWORD })
    expect(refused.json()).toMatchObject({ status: 409, code: 'USERNAME_TAKEN' })
    expect(await me(token)).toBe(200)
    const answer = await change('id-of-viewer', { username: 'reader', password: PASSWORD })
    expect(answer.json().user).toMatchObject({ username: 'reader', sessions: 0 })
    expect(await me(token)).toBe(401)
    await logIn(server.app, { username: 'reader', password: PASSWORD })
  })

  test('leaves one administrator who can log in', async () => {
    await leaveUnmanaged()
    for (const lost of [{ role: 'viewer' }, { disabled: true }]) {
      const answer = await change('id-of-admin', lost)
      expect(answer.json()).toMatchObject({ status: 409, code: 'LAST_ADMIN' })
    }
    await change('id-of-viewer', { role: 'admin', disabled: true })
    expect((await change('id-of-admin', { role: 'viewer' })).statusCode).toBe(409)
    await change('id-of-viewer', { disabled: false })
    expect((await change('id-of-admin', { role: 'viewer' })).statusCode).toBe(200)
  })

  test('of two administrators who demote each other, one stays', async () => {
    await leaveUnmanaged()
    await change('id-of-viewer', { role: 'admin' })
    const other = await logIn(server.app, VIEWER)
    const demote = (id: string): InjectOptions => ({
      method: 'PATCH',
      url: `${URL}/${id}`,
      payload: { role: 'viewer' },
    })
    await Promise.all([
      server.asAdmin(demote('id-of-viewer')),
      server.app.inject(withToken(demote('id-of-admin'), other)),
    ])
    const { rows } = await server.database.pool.query(`select from users where role = 'admin'`)
    expect(rows).toHaveLength(1)
  })

  test('of nothing is refused', async () => {
    const refused = await change('id-of-viewer', {})
    expect(refused.json()).toMatchObject({ status: 400, code: 'INVALID_REQUEST' })
    expect(refused.body).toContain('something to change: username, password, role or disabled')
  })

  test('that nobody may make is refused', async () => {
    expect((await change('nobody', { role: 'viewer' })).json()).toMatchObject({ code: 'USER_NOT_FOUND' })
    // The next start would undo it.
    for (const undone of [{ username: 'root' }, { role: 'viewer' }, { disabled: true }])
      expect((await change('id-of-admin', undone)).json()).toMatchObject({
        status: 409,
        code: 'MANAGED_USER',
      })
    expect((await change('id-of-admin', { role: 'admin', disabled: false })).statusCode).toBe(200)
    // The current password is asked for by another route.
    const own = await change(await idOf(ADMIN.username), { password: PASSWORD })
    expect(own.json()).toMatchObject({ status: 403, code: 'FORBIDDEN' })
    expect((await change('id-of-viewer', { role: 'owner' })).statusCode).toBe(400)
  })
})

test('a viewer and a user without a role manage nobody', async () => {
  const requests: [InjectOptions, number, number][] = [
    [{ url: URL }, 403, 403],
    [{ method: 'POST', url: URL, payload: {} }, 403, 403],
    [{ method: 'PATCH', url: `${URL}/id-of-visitor`, payload: { role: 'admin' } }, 403, 403],
    [{ url: `${URL}/id-of-admin` }, 200, 403],
  ]
  for (const [request, viewer, user] of requests) {
    expect((await server.asViewer(request)).statusCode).toBe(viewer)
    expect((await server.asUser(request)).statusCode).toBe(user)
  }
  const refused = await server.asViewer({ method: 'POST', url: URL, payload: {} })
  expect(refused.json()).toMatchObject({ code: 'READ_ONLY' })
})

test('an account that became an ordinary user has no access until it is given a role', async () => {
  expect((await change('id-of-visitor', { role: 'viewer' })).json().user.role).toBe('viewer')
  expect((await server.asUser({ url: '/api/admin/tasks' })).statusCode).toBe(200)
})
