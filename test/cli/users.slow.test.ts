import { PassThrough } from 'node:stream'
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest'
import { readNewPassword } from '../../src/cli/read-password.ts'
import { type BundledServer, logIn, postLogin, startBundledServer, VIEWER } from '../http/bundled-server.ts'
import { createTestDatabase } from '../support/database.ts'
import { commandOn, jsonOf } from './run-command.ts'

const PASSWORD = 'the password of ada'

let server: BundledServer

beforeAll(async () => {
  server = await startBundledServer()
  return () => server.close()
})

const users = (args: string, input = '') => commandOn(server.database, { input })('users', ...args.split(' '))
const stateOf = async (name: string) =>
  jsonOf(await users('list --json')).users.find(({ username }: { username: string }) => username === name)

test('the users are listed, for people and for programs', async () => {
  const { code, out } = await users('list')
  expect(code).toBe(0)
  expect(out.split('\n')[0]).toBe('NAME     ROLE    STATE    SESSIONS  CREATED                   ID')
  expect(out).toMatch(/^admin {4}admin {3}enabled {2}1 /m)
  expect(await stateOf('viewer')).toMatchObject({ role: 'viewer', disabled: false, sessions: 1 })
})

test('a user is added, gets another password and role, and is disabled and enabled', async () => {
  expect(await users('add ada', `${PASSWORD}\n`)).toMatchObject({ code: 0, out: 'ada is added as viewer\n' })
  await logIn(server.app, { username: 'ada', password: PASSWORD })
  expect(await users('passwd ada', 'another password of ada')).toMatchObject({ code: 0 })
  expect((await postLogin(server.app, { username: 'ada', password: PASSWORD })).statusCode).toBe(401)
  const ada = { username: 'ada', password: 'another password of ada' }
  await logIn(server.app, ada)
  expect((await users('role ada admin')).out).toBe('ada is admin\n')
  expect(await stateOf('ada')).toMatchObject({ role: 'admin', sessions: 1 })
  expect((await users('disable ada')).out).toBe('ada is disabled\n')
  expect(await stateOf('ada')).toMatchObject({ disabled: true, sessions: 0 })
  expect((await postLogin(server.app, ada)).statusCode).toBe(401)
  expect((await users('enable ada')).out).toBe('ada is enabled\n')
  await logIn(server.app, ada)
})

test('sessions are shown and ended', async () => {
  await logIn(server.app, VIEWER)
  const { sessions } = jsonOf(await users('sessions viewer --json'))
  expect(sessions).toHaveLength(2)
  expect(sessions[0]).toMatchObject({ address: '127.0.0.1', userAgent: 'lightMyRequest' })
  // It is half of a token.
  expect(sessions[0]).not.toHaveProperty('id')
  expect((await users('sessions viewer')).out).toMatch(/^LOGGED IN +LAST USED +ADDRESS +BROWSER\n/)
  expect((await users('logout viewer')).out).toBe('2 sessions of viewer ended\n')
  expect(jsonOf(await users('sessions viewer --json'))).toEqual({ sessions: [] })
})

describe('it is refused', () => {
  test.each([
    ['add admin', PASSWORD, 1, /^USERNAME_TAKEN: /],
    ['add eve', 'short', 1, /^WEAK_PASSWORD: expected a password of 12 to 1000 characters, got 5$/m],
    ['add eve', '', 2, /^INVALID_ARGUMENT: the password is read from the terminal or the standard input/],
    ['add eve --role owner', PASSWORD, 2, /--role: expected one of admin, viewer/],
    ['passwd nobody', PASSWORD, 1, /^USER_NOT_FOUND: there is no user "nobody"/],
    [`add ${'x'.repeat(101)}`, PASSWORD, 2, /^INVALID_ARGUMENT: username: /],
    ['role admin', '', 2, /missing required argument 'role'/],
  ])('to run users %s with %j', async (args, input, code, message) => {
    const result = await users(args, input)
    expect(result).toMatchObject({ code, out: '' })
    expect(result.err).toMatch(message)
  })

  test('with an entry in the audit, like a change that is made', async () => {
    await server.database.pool.query('truncate async_task_audit')
    await users('add eve', PASSWORD)
    await users('add eve', PASSWORD)
    await users('passwd eve', 'short')
    await users('passwd eve', `${PASSWORD}, changed`)
    await users('role nobody viewer')
    await users('disable admin')
    await users('logout eve')
    await users('sessions nobody')
    const { rows } = await server.database.pool.query(
      'select actor_id, action, subject, outcome from async_task_audit order by at, id',
    )
    const entry = (action: string, subject: string, outcome = 'ok') => ({
      ...{ actor_id: 'cli:ada', action, subject, outcome },
    })
    expect(rows).toEqual([
      entry('user.create', 'eve'),
      entry('user.create', 'eve', 'USERNAME_TAKEN'),
      entry('user.password', 'eve', 'WEAK_PASSWORD'),
      entry('user.password', 'eve'),
      entry('user.update', 'nobody', 'USER_NOT_FOUND'),
      entry('user.update', 'admin', 'MANAGED_USER'),
      entry('session.end', 'eve'),
    ])
  })

  test('to disable the last administrator', async () => {
    await server.database.pool.query(`update users set role = 'viewer' where username <> 'admin'`)
    await server.database.pool.query('update users set managed = false')
    for (const args of ['disable admin', 'role admin viewer'])
      expect(await users(args)).toMatchObject({ code: 1, err: expect.stringMatching(/^LAST_ADMIN: /) })
  })

  test('on a database without users of the bundled server', async () => {
    const database = await createTestDatabase()
    onTestFinished(() => database.drop())
    const list = () => commandOn(database)('users', 'list')
    const none = expect.stringMatching(/has no users of the bundled server/)
    expect(await list()).toMatchObject({ code: 1, err: none })
    await database.pool.query('create table users (id int, name text)')
    expect(await list()).toMatchObject({ code: 1, err: none })
    await database.pool.query('drop table users')
    await database.pool.query('create table users (username text, password_hash text)')
    expect((await list()).err).toMatch(/start the bundled server of this version first/)
  })
})

describe('on a terminal', () => {
  async function ask(...lines: string[]) {
    const input = Object.assign(new PassThrough(), { isTTY: true })
    let shown = ''
    const show = (text: string) => {
      shown += text
      if (text.endsWith(': ')) setImmediate(() => input.write(`${lines.shift()}\n`))
    }
    const password = readNewPassword(input, show, new AbortController().signal)
    return { password: await password.catch((error: Error) => error.message), shown }
  }

  test('the end of the input is no password, and an interrupt is one of the process', async () => {
    const type = async (key: string, interrupted = new AbortController()) => {
      const input = Object.assign(new PassThrough(), { isTTY: true })
      const kill = vi.spyOn(process, 'kill').mockImplementation((_pid, signal) => {
        interrupted.abort(signal)
        return true
      })
      onTestFinished(() => kill.mockRestore())
      const password = readNewPassword(input, () => setImmediate(() => input.write(key)), interrupted.signal)
      return password.catch((error: Error) => error.message)
    }
    expect(await type('\u0004')).toBe('no password was given')
    const interrupted = new AbortController()
    await type('\u0003', interrupted)
    expect(interrupted.signal.reason).toBe('SIGINT')
  })

  test('the password is asked for twice, and not shown', async () => {
    expect(await ask(PASSWORD, PASSWORD)).toEqual({
      password: PASSWORD,
      shown: 'New password: \nAgain: \n',
    })
    expect((await ask(PASSWORD, 'another')).password).toBe('the two passwords differ')
  })
})
