import { afterEach, expect, test } from 'vitest'
import { buildApp } from '../src/app.ts'
import { parseConfig } from '../src/config.ts'
import { createTaskRegistry } from '../src/engine/definition/registry.ts'
import { logIn, postLogin, withToken } from './http/bundled-server.ts'
import { createTestDatabase, type TestDatabase } from './support/database.ts'
import { startFaultProxy } from './support/fault-proxy.ts'

const PASSWORD = 'known to the tests'

let database: TestDatabase

afterEach(() => database.drop())

const boot = (env: Record<string, string> = {}) =>
  buildApp(parseConfig({ LOG_LEVEL: 'silent', ...env }), { databaseUrl: database.url })

test('the first boot of an empty database makes tables and an admin, and says the password once', async () => {
  database = await createTestDatabase('empty')
  const first = await boot()
  const password = first.firstBootPassword ?? ''
  expect(password).not.toBe('')
  await first.ready()
  const token = await logIn(first, { username: 'admin', password })
  const types = await first.inject(withToken({ url: '/api/admin/task-types' }, token))
  expect(
    types
      .json()
      .taskTypes.map(({ taskType }: { taskType: string }) => taskType)
      .toSorted(),
  ).toEqual(['backfill_by_date', 'backfill_by_range', 'init_sectors', 'init_stocks'])
  await first.close()

  const second = await boot()
  expect(second.firstBootPassword).toBeUndefined()
  await second.ready()
  // Another process, another secret: the token of the first is worth nothing.
  expect((await second.inject(withToken({ url: '/api/admin/tasks' }, token))).statusCode).toBe(401)
  await logIn(second, { username: 'admin', password })
  await second.close()
})

test('a boot that fails invents no password that nobody would ever see', async () => {
  database = await createTestDatabase('server')
  const { task } = createTaskRegistry()
  // The name is taken by the market's.
  const twin = task('init_stocks')(() => {})
  const config = parseConfig({ LOG_LEVEL: 'silent' })
  await expect(buildApp(config, { databaseUrl: database.url, tasks: [twin] })).rejects.toThrow('init_stocks')
  const app = await boot()
  expect(app.firstBootPassword).toBeDefined()
  await app.close()
})

test('two boots at once on an empty database both come up, with one admin', async () => {
  database = await createTestDatabase('empty')
  const apps = await Promise.all([boot(), boot()])
  await Promise.all(apps.map((app) => app.ready()))
  const passwords = apps.map((app) => app.firstBootPassword).filter((password) => password !== undefined)
  expect(passwords).toHaveLength(1)
  for (const app of apps) await logIn(app, { username: 'admin', password: passwords[0] ?? '' })
  await Promise.all(apps.map((app) => app.close()))
})

test('sessions outlive a restart where the secret stays, and end with a new password', async () => {
  database = await createTestDatabase('server')
  const AUTH_SECRET = 'a secret of more than 32 characters'
  const visit = async (
    ADMIN_PASSWORD: string,
    use: (app: Awaited<ReturnType<typeof boot>>) => Promise<unknown>,
  ) => {
    const app = await boot({ AUTH_SECRET, ADMIN_PASSWORD })
    await use(app)
    await app.close()
  }
  let token = ''
  const ask = async (app: Awaited<ReturnType<typeof boot>>) =>
    (await app.inject(withToken({ url: '/api/admin/auth/me' }, token))).statusCode
  await visit('the first one', async (app) => {
    token = await logIn(app, { username: 'admin', password: 'the first one' })
  })
  await visit('the first one', async (app) => expect(await ask(app)).toBe(200))
  await visit('the second one', async (app) => expect(await ask(app)).toBe(401))
})

test('a weak ADMIN_PASSWORD stops a start that would set it, like any wrong variable', async () => {
  database = await createTestDatabase('server')
  await expect(boot({ ADMIN_USERNAME: 'The Operators', ADMIN_PASSWORD: 'the operators' })).rejects.toThrow(
    'the configuration has 1 problem(s):\n  ADMIN_PASSWORD: expected a password other than the user name',
  )
})

test('a boot that fails leaves no connection behind', async () => {
  database = await createTestDatabase('server')
  await database.pool.query('alter table users rename to people')
  await expect(boot()).rejects.toThrow('users')
  const others = `select count(*)::int as count from pg_stat_activity
                   where datname = current_database() and pid <> pg_backend_pid()`
  await expect.poll(async () => (await database.pool.query(others)).rows[0]).toEqual({ count: 0 })
})

test('while the database is away requests are answered 503, and afterwards as before', async () => {
  database = await createTestDatabase('server')
  const way = await startFaultProxy(database.url)
  const config = parseConfig({ LOG_LEVEL: 'silent', ADMIN_PASSWORD: PASSWORD })
  const app = await buildApp(config, { databaseUrl: way.url })
  await app.ready()
  const token = await logIn(app, { username: 'admin', password: PASSWORD })
  const list = () => app.inject(withToken({ url: '/api/admin/tasks' }, token))
  expect((await list()).statusCode).toBe(200)

  way.set('reset')
  for (const answer of [await list(), await postLogin(app, { username: 'admin', password: PASSWORD })]) {
    expect(answer.headers['content-type']).toBe('application/problem+json')
    expect(answer.json()).toMatchObject({ status: 503, code: 'DATABASE_UNAVAILABLE' })
    expect(answer.body).not.toContain('ECONNREFUSED')
  }
  expect((await app.inject('/health/ready')).statusCode).toBe(503)
  expect((await app.inject('/health/live')).statusCode).toBe(200)

  way.set('none')
  expect((await list()).statusCode).toBe(200)
  await expect.poll(async () => (await app.inject('/health/ready')).statusCode).toBe(200)
  await app.close()
  await way.close()
})

test('what goes wrong inside is answered 500, and not told', async () => {
  database = await createTestDatabase('server')
  const app = await boot({ ADMIN_PASSWORD: PASSWORD })
  await app.ready()
  const request = withToken(
    { url: '/api/admin/tasks' },
    await logIn(app, { username: 'admin', password: PASSWORD }),
  )
  await database.pool.query('alter table sessions rename to hidden')
  const answer = await app.inject(request)
  expect(answer.json()).toMatchObject({ status: 500, code: 'INTERNAL' })
  expect(answer.body).not.toContain('sessions')
  await app.close()
})
