import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { FirstPassword } from '../../src/accounts/first-password.ts'
import { hashPassword } from '../../src/accounts/passwords.ts'
import {
  ADMIN,
  addUser,
  type BundledServer,
  logIn,
  postLogin,
  startBundledServer,
  withToken,
} from '../http/bundled-server.ts'

let server: BundledServer

beforeAll(async () => {
  server = await startBundledServer()
  return () => server.close()
})

const next = 'another password of mine'
let count = 0
let user = { username: '', password: 'the password until now' }
let token = ''

beforeEach(async () => {
  user = { ...user, username: `user-${++count}` }
  await addUser(server.database, user, 'user')
  token = await logIn(server.app, user)
})

const change = (payload: object, headers: Record<string, string> = {}, as = token) =>
  server.app.inject(withToken({ method: 'POST', url: '/api/admin/auth/password', payload, headers }, as))
const me = async (as: string) =>
  (await server.app.inject(withToken({ url: '/api/admin/auth/me' }, as))).statusCode

describe('a change of the password', () => {
  test('ends all other sessions of that user, and no others', async () => {
    const other = await logIn(server.app, user)
    const answer = await change({ current: user.password, next })
    expect([answer.statusCode, answer.body]).toEqual([204, ''])
    expect([await me(token), await me(other)]).toEqual([200, 401])
    expect((await server.asAdmin({ url: '/api/admin/auth/me' })).statusCode).toBe(200)
    expect((await postLogin(server.app, user)).statusCode).toBe(401)
    await logIn(server.app, { ...user, password: next })
  })

  test.each([
    ['too short', 'a password of 12 to 1000 characters, got 9'],
    ['the password until now', 'a password other than the current one'],
  ])('to %j is refused', async (weak, expected) => {
    const answer = await change({ current: user.password, next: weak })
    expect(answer.json()).toEqual({
      status: 400,
      title: 'Bad Request',
      code: 'WEAK_PASSWORD',
      detail: `next: expected ${expected}`,
      errors: [{ pointer: '/next', detail: `expected ${expected}` }],
    })
    expect((await postLogin(server.app, user)).statusCode).toBe(200)
  })

  test('needs the current password, and guesses at it are limited like log-ins', async () => {
    for (let guess = 1; guess <= 5; guess++) {
      const answer = await change({ current: `guess ${guess}`, next })
      expect(answer.json()).toMatchObject({ status: 403, code: 'WRONG_PASSWORD' })
    }
    const limited = await change({ current: user.password, next })
    expect(limited.json()).toMatchObject({ status: 429, code: 'TOO_MANY_FAILURES' })
    // One limit for both ways.
    expect((await postLogin(server.app, user)).statusCode).toBe(429)
    expect(await me(token)).toBe(200)
  })

  test('needs a session, and a page of the same site', async () => {
    const payload = { current: user.password, next }
    const url = '/api/admin/auth/password'
    expect((await server.app.inject({ method: 'POST', url, payload })).statusCode).toBe(401)
    const foreign = await server.app.inject({
      method: 'POST',
      url,
      payload,
      cookies: { async_tasks_session: token },
      headers: { origin: 'https://evil.example' },
    })
    expect(foreign.json()).toMatchObject({ status: 403, code: 'FOREIGN_ORIGIN' })
    expect((await postLogin(server.app, user)).statusCode).toBe(200)
  })

  test.each([
    [{ current: 'a' }, ['/next']],
    [{ current: '', next: 'x'.repeat(1_001) }, ['/current', '/next']],
    [{ current: 'a', next: 'b', username: 'admin' }, ['/username']],
  ])('takes both passwords and nothing else: %#', async (payload, pointers) => {
    const answer = await change(payload)
    expect(answer.statusCode).toBe(400)
    expect(answer.json().errors.map((error: { pointer: string }) => error.pointer)).toEqual(pointers)
  })

  test('of two at once from the same password, one takes effect', async () => {
    const second = await logIn(server.app, user)
    const answers = await Promise.all([
      change({ current: user.password, next: 'the first of two' }),
      change({ current: user.password, next: 'the second of two' }, {}, second),
    ])
    expect(answers.map(({ statusCode }) => statusCode).toSorted()).toEqual([204, 403])
  })
})

describe('the file of the first password', () => {
  let folder: string

  beforeAll(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'first-password-'))
  })
  afterAll(() => rmSync(folder, { recursive: true }))

  const exists = (file: string) => statSync(file, { throwIfNoEntry: false }) !== undefined

  test('is readable for its owner alone, also where a file was before', () => {
    const first = new FirstPassword(path.join(folder, 'data', 'admin-password'))
    first.keep('one')
    writeFileSync(first.file, 'another', { mode: 0o644 })
    first.keep('two')
    expect(readFileSync(first.file, 'utf8')).toBe('two\n')
    expect(statSync(first.file).mode & 0o777).toBe(0o600)
  })

  test('is removed at the next start if the password has been changed since', async () => {
    const first = new FirstPassword(path.join(folder, 'admin-password'))
    first.keep('generated')
    await first.forgetUnless(await hashPassword('generated'))
    expect(exists(first.file)).toBe(true)
    await first.forgetUnless(await hashPassword('changed'))
    expect(exists(first.file)).toBe(false)
    await first.forgetUnless(await hashPassword('changed'))
  })

  test('is removed when the administrator changes the password, and by nobody else', async () => {
    const firstPassword = new FirstPassword(path.join(folder, 'kept'))
    firstPassword.keep(ADMIN.password)
    const other = await startBundledServer({ firstPassword })
    try {
      const changeFrom = (password: string, as: string) =>
        other.app.inject(
          withToken(
            { method: 'POST', url: '/api/admin/auth/password', payload: { current: password, next } },
            as,
          ),
        )
      await addUser(other.database, user, 'user')
      const userToken = await logIn(other.app, user)
      expect((await changeFrom(user.password, userToken)).statusCode).toBe(204)
      expect(exists(firstPassword.file)).toBe(true)
      const adminToken = await logIn(other.app, ADMIN)
      expect((await changeFrom(ADMIN.password, adminToken)).statusCode).toBe(204)
      expect(exists(firstPassword.file)).toBe(false)
    } finally {
      await other.close()
    }
  })
})
