import type { InjectOptions } from 'fastify'
import { beforeEach, describe, expect, test } from 'vitest'
import { GUESSES, hashName } from '../../src/accounts/password-check.ts'
import { takeGuess } from '../../src/accounts/store/logins.ts'
import type { AuditPage } from '../../src/contract/audit.ts'
import {
  ADMIN,
  type BundledServer,
  logIn,
  postLogin,
  startBundledServer,
  VIEWER,
  withToken,
} from '../http/bundled-server.ts'

const AUTH = '/api/admin/auth'
const NEXT = 'a longer one for somebody'

let server: BundledServer

beforeEach(async () => {
  server = await startBundledServer()
  await server.database.pool.query('truncate async_task_audit')
  return () => server.close()
})

const send = (token: string, method: 'POST' | 'PATCH' | 'DELETE', url: string, payload?: object) => {
  const request: InjectOptions = { method, url: `${AUTH}${url}`, ...(payload && { payload }) }
  return server.app.inject(withToken(request, token))
}

/** Oldest first, without log-ins unless they are asked for. */
async function entries(withLogins = false): Promise<unknown[]> {
  const page = (await server.asAdmin({ url: '/api/admin/audit' })).json<AuditPage>()
  return page.entries
    .filter(({ action }) => withLogins || action !== 'user.login')
    .map(({ actor, action, subject, outcome }) => [actor.name, action, subject, outcome])
    .reverse()
}

test('a log-in has an entry, also a refused one, and names that nobody has are not kept', async () => {
  await logIn(server.app, ADMIN)
  await postLogin(server.app, { ...ADMIN, password: 'wrong' })
  await postLogin(server.app, { username: 'my password by mistake', password: 'wrong' })
  expect(await entries(true)).toEqual([
    ['admin', 'user.login', 'admin', 'ok'],
    [null, 'user.login', 'admin', 'INVALID_CREDENTIALS'],
    [null, 'user.login', null, 'INVALID_CREDENTIALS'],
  ])
  const { rows } = await server.database.pool.query<{ row: string }>(
    'select a::text as row from async_task_audit a',
  )
  expect(JSON.stringify(rows)).not.toMatch(/wrong|by mistake/)
  const [entry] = (await server.asAdmin({ url: '/api/admin/audit' })).json<AuditPage>().entries
  expect(entry).toMatchObject({ requestId: expect.stringMatching(/^req-/), address: '127.0.0.1' })
})

describe('log-ins that a limit refuses', () => {
  const limited = async () => {
    const { rows } = await server.database.pool.query<{ subject: string | null; address: string }>(
      `select subject, address from async_task_audit where outcome like 'TOO_MANY_%' order by at, id`,
    )
    return rows
  }
  const guess = async (username: string, address: string, times: number) => {
    const statuses: number[] = []
    for (let n = 0; n < times; n++) {
      const answer = await server.app.inject({
        method: 'POST',
        url: `${AUTH}/login`,
        payload: { username, password: `guess ${n}` },
        remoteAddress: address,
      })
      statuses.push(answer.statusCode)
    }
    return statuses
  }

  test('have one entry for each address, which names a user who exists', async () => {
    expect(await guess('admin', '192.0.2.1', 9)).toEqual([401, 401, 401, 401, 401, 429, 429, 429, 429])
    expect(await guess('my password by mistake', '192.0.2.2', 7)).toContain(429)
    expect(await guess('viewer', '192.0.2.1', 7)).toContain(429)
    expect(await limited()).toEqual([
      { subject: 'admin', address: '192.0.2.1' },
      { subject: null, address: '192.0.2.2' },
    ])
  })

  test('have a hundred entries at most, from however many addresses', async () => {
    let isFree = true
    while (isFree) isFree = await takeGuess(server.database.pool, hashName('admin'), GUESSES)
    const answers = await Promise.all(
      Array.from({ length: 120 }, (_, n) => guess('admin', `198.51.100.${n}`, 1)),
    )
    expect(answers.flat()).toEqual(Array(120).fill(429))
    expect(await limited()).toHaveLength(100)
  })
})

test('log-outs, ended sessions and new passwords have one entry each', async () => {
  const first = await logIn(server.app, ADMIN)
  const { sessions } = (await server.app.inject(withToken({ url: `${AUTH}/sessions` }, first))).json<{
    sessions: { id: string; current: boolean }[]
  }>()
  const other = sessions.find(({ current }) => !current)
  expect((await send(first, 'POST', '/password', { current: 'wrong', next: NEXT })).statusCode).toBe(403)
  expect((await send(first, 'DELETE', '/sessions/none')).statusCode).toBe(404)
  expect((await send(first, 'POST', '/password', { current: ADMIN.password, next: NEXT })).statusCode).toBe(
    204,
  )
  expect((await send(first, 'POST', '/logout')).statusCode).toBe(204)
  expect(other).toBeDefined()
  const second = await logIn(server.app, { ...ADMIN, password: NEXT })
  expect((await send(second, 'DELETE', '/sessions')).statusCode).toBe(204)
  const { rows } = await server.database.pool.query(
    `select action, subject, outcome from async_task_audit where action <> 'user.login' order by at, id`,
  )
  const entry = (action: string, outcome = 'ok') => ({ action, subject: 'admin', outcome })
  expect(rows).toEqual([
    entry('user.password', 'WRONG_PASSWORD'),
    entry('session.end', 'SESSION_NOT_FOUND'),
    entry('user.password'),
    entry('user.logout'),
    entry('session.end'),
  ])
})

test('changes of users have one entry each, refused ones too, and strangers leave none', async () => {
  const admin = await logIn(server.app, ADMIN)
  const viewer = await logIn(server.app, VIEWER)
  const ada = { username: 'ada', password: NEXT, role: 'viewer' }
  const { user } = (await send(admin, 'POST', '/users', ada)).json<{ user: { id: string } }>()
  const path = `/users/${user.id}`
  await send(admin, 'POST', '/users', ada)
  await send(admin, 'POST', '/users', { ...ada, colour: 'red' })
  await send(admin, 'PATCH', path, { role: 'admin' })
  await send(admin, 'PATCH', path, { password: `${NEXT} again` })
  await send(admin, 'PATCH', path, { disabled: true })
  await send(admin, 'PATCH', path, { password: 'short' })
  await send(admin, 'PATCH', '/users/nobody', { role: 'admin' })
  await send(viewer, 'PATCH', path, { role: 'admin' })
  await send('none', 'PATCH', path, { role: 'admin' })
  expect(await entries()).toEqual([
    ['admin', 'user.create', 'ada', 'ok'],
    ['admin', 'user.create', 'ada', 'USERNAME_TAKEN'],
    ['admin', 'user.create', 'ada', 'INVALID_REQUEST'],
    ['admin', 'user.update', 'ada', 'ok'],
    ['admin', 'user.password', 'ada', 'ok'],
    ['admin', 'user.update', 'ada', 'ok'],
    ['admin', 'user.password', 'ada', 'WEAK_PASSWORD'],
    ['admin', 'user.update', 'nobody', 'USER_NOT_FOUND'],
    ['viewer', 'user.update', 'ada', 'READ_ONLY'],
  ])
})

test('an event that cannot be written undoes the change', async () => {
  const admin = await logIn(server.app, ADMIN)
  await server.database.pool.query(
    `alter table async_task_audit add constraint none_of_users check (action not like 'user.%') not valid`,
  )
  const created = await send(admin, 'POST', '/users', { username: 'ada', password: NEXT, role: 'viewer' })
  expect(created.statusCode).toBe(500)
  const { rowCount } = await server.database.pool.query(`select from users where username = 'ada'`)
  expect(rowCount).toBe(0)
  expect((await postLogin(server.app, ADMIN)).statusCode).toBe(500)
})
