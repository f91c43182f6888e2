import pg from 'pg'
import { expect, test } from 'vitest'
import { type AsyncTasksOptions, checkOptions } from '../src/plugin-options.ts'
import { requireNode } from '../src/version.ts'

const secret = 'postgres://me:hunter2@db/app'
const right = { connectionString: secret, authorize: false } as const

/** As JavaScript may call it. */
const check = (options: object) => checkOptions({ ...right, ...options } as AsyncTasksOptions)

test.each([
  [{ migrate: 'nope' }, "migrate must be 'auto', 'verify' or false, got string"],
  [{ migrate: true }, "migrate must be 'auto', 'verify' or false, got boolean"],
  [{ executor: 'x' }, 'executor must be true or false, got string'],
  [{ prepared: null }, 'prepared must be true or false, got null'],
  [{ routes: 0 }, 'routes must be true or false, got number'],
  [{ connectionString: { secret } }, 'connectionString must be a string, got object'],
  [{ directConnectionString: [secret] }, 'directConnectionString must be a string, got array'],
  [{ connectionString: 'hunter2@db:5432/app' }, 'connectionString must be a URL such as postgres://user:'],
  [
    { connectionString: 'mysql://me:hunter2@db/app' },
    'connectionString must be a URL such as postgres://user:',
  ],
  [
    { connectionString: 'postgres://me:hun#ter2@db/app' },
    'connectionString must be a URL such as postgres://user:',
  ],
  [{ connectionString: '' }, 'connectionString must be a URL such as postgres://user:'],
  [{ directConnectionString: 'db' }, 'directConnectionString must be a URL such as postgres://user:'],
  [{ connectionString: undefined }, 'give either connectionString or pool, got neither'],
  [{ pool: { connect() {}, query() {} } }, 'give either connectionString or pool, got both'],
  [{ pool: secret }, 'pool must be a pool of pg, got string'],
  [{ tasks: {} }, 'tasks must be a list of handlers, got object'],
  [{ registry: {} }, 'registry must be a registry, as createTaskRegistry() makes them, got object'],
  [{ schedules: ['daily'] }, 'schedules must be a list of schedules, got array'],
  [{ authorize: true }, 'authorize must be a function or false, got boolean'],
  [{ prefix: 7 }, "prefix must be a string such as '/ops', got number"],
  [
    { prefix: '/t/:taskId/ops' },
    'prefix must not use the parameter :taskId, which belongs to the routes below it; ',
  ],
  [{ prefix: '/:name/ops' }, "write another name, such as :hostName, got '/:name/ops'"],
  [{ prefix: '/types/:a-:taskType(^x)' }, 'write another name, such as :hostTaskType'],
  [
    { prefix: '/ops/*' },
    "prefix must not contain '*', got '/ops/*'; a variable part is written '/:tenant/ops'",
  ],
  [{ prefix: '/:tenant?/ops' }, "prefix must not contain '?'"],
  [{ dashboard: { prefix: '/admin/*' } }, "dashboard.prefix must not contain '*'"],
  [
    { prefix: '/t/:tenant/ops', dashboard: true },
    "dashboard.prefix must begin with '/t/:tenant', as prefix does, such as '/t/:tenant/admin', got '/admin'",
  ],
  [{ dashboard: '/ops' }, 'dashboard must be true, false or an object such as { prefix }, got string'],
  [{ dashboard: { login: 'none' } }, "dashboard.login must be 'password' or 'host', got string"],
  [{ dashboard: { path: '/ops' } }, 'dashboard.path is not a known option'],
  [{ dashboard: { title: 7 } }, 'dashboard.title must be a string, got number'],
  [{ dashboard: { title: ' ' } }, "dashboard.title must be 1 to 40 characters on one line, got ' '"],
  [
    { dashboard: { environment: 'e'.repeat(41) } },
    `dashboard.environment must be 1 to 40 characters on one line, got '${'e'.repeat(41)}'`,
  ],
  [{ dashboard: { environment: 'two\nlines' } }, 'dashboard.environment must be 1 to 40 characters'],
  [
    { dashboard: { loginUrl: 'javascript:alert(1)' } },
    "dashboard.loginUrl must be a path such as '/login' or an http(s) URL without a user name, and braces only as " +
      "'{returnTo}' in the query, got 'javascript:alert(1)'",
  ],
  [{ dashboard: { loginUrl: '/login/{returnTo}' } }, "got '/login/{returnTo}'"],
  [{ dashboard: { loginUrl: '/login?next={next}' } }, "got '/login?next={next}'"],
  [{ dashboard: { homeUrl: '/?from={returnTo}' } }, "dashboard.homeUrl must be a path such as '/login'"],
  [
    { dashboard: { login: 'password', logoutUrl: '/out' } },
    "dashboard.logoutUrl needs login: 'host'; with 'password' the page logs in and out itself, got '/out'",
  ],
  [{ dashboard: { homeUrl: 'https://me:hunter2@app.example/' } }, 'without a user name'],
  [{ concurrency: '8' }, 'concurrency: Invalid input: expected number, received string'],
  [{ retires: 5 }, 'retires is not a known option'],
  [{ toString: 5 }, 'toString is not a known option'],
])('%o is refused', (options, message) => {
  expect(() => check(options)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  expect(() => check(options)).toThrow(message)
  expect(() => check(options)).not.toThrow('hunter2')
})

test.each([
  'javascript:alert(1)',
  'JavaScript:alert(1)',
  ' javascript:alert(1)',
  'java\nscript:alert(1)',
  'data:text/html,x',
  'vbscript:x',
  'blob:https://app.example/1',
  '//evil.example/',
  '/\\evil.example/',
  '/\t/evil.example/',
  '\\\\evil.example',
  'https:evil.example',
  'https://',
  'https://{returnTo}/',
  'login',
  './login',
  '',
  'ftp://app.example/',
  'file:///etc/passwd',
])('%j is no address for the page to link to', (value) => {
  for (const name of ['loginUrl', 'logoutUrl', 'homeUrl']) {
    expect(() => check({ dashboard: { [name]: value } })).toThrow(`dashboard.${name} must be a path`)
  }
})

test('paths and http(s) URLs are addresses, and short texts are names', () => {
  for (const value of [
    '/',
    '/login',
    '/login?a=1#b',
    'https://sso.example/out?x=1',
    'http://127.0.0.1:8080',
  ]) {
    for (const name of ['loginUrl', 'logoutUrl', 'homeUrl'])
      expect(() => check({ dashboard: { [name]: value } })).not.toThrow()
  }
  expect(() => check({ dashboard: { loginUrl: 'https://sso.example/in?rd={returnTo}&x=1' } })).not.toThrow()
  const text = { title: '👩‍💻'.padEnd(40, 'x'), environment: '生产环境 <b>&"' }
  expect(() => check({ dashboard: { ...text, login: 'password', homeUrl: '/' } })).not.toThrow()
})

test('every option at fault is named, and no value', () => {
  const message =
    "fastify-async-tasks options: migrate must be 'auto', 'verify' or false, got string; retires is not a known option; " +
    'leaseMs: Invalid input: expected number, received string'
  expect(() => check({ migrate: 'hunter2', retires: 'hunter2', leaseMs: 'hunter2' })).toThrow(
    expect.objectContaining({ message }),
  )
})

test('a single client is no pool', () => {
  const client = new pg.Client(secret)
  expect(() => checkOptions({ pool: client as never, authorize: false })).toThrow(
    'pool must be a pool of pg, got object',
  )
  expect(() => checkOptions({ pool: new pg.Pool(), authorize: false })).not.toThrow()
})

test("a parameter of the routes' own is refused in the scope around them, too, and others are fine", () => {
  expect(() => checkOptions(right, '/jobs/:taskId')).toThrow(
    "write another name, such as :hostTaskId, got '/jobs/:taskId'",
  )
  expect(() => checkOptions({ ...right, routes: false }, '/jobs/:taskId')).not.toThrow()
  for (const prefix of ['/:tenant/ops', '/::name/ops', '/taskId/ops']) {
    expect(() => check({ prefix })).not.toThrow()
  }
  expect(() => check({ prefix: '/:tenant/ops', dashboard: { prefix: '/:tenant/page' } })).not.toThrow()
})

test("what is left out, or Fastify's own, is no fault", () => {
  const options = {
    migrate: undefined,
    prefix: '/ops',
    logLevel: 'warn',
    logSerializers: {},
    retentionDays: 3,
  }
  expect(check(options)).toMatchObject({ retentionDays: 3, concurrency: 2 })
})

test.each([
  'postgres://db/app',
  'postgresql://me@db:6432/app?sslmode=require',
  'POSTGRES://db/app',
  'postgres:///app?host=/run/postgresql',
  'socket:/run/postgresql?db=app',
  '/run/postgresql app',
])('%s is what pg reads', (connectionString) => {
  expect(() => check({ connectionString, directConnectionString: connectionString })).not.toThrow()
})

test('an older Node is refused by its version, a newer one is not', () => {
  for (const old of ['18.20.4', '20.20.2', '22.17.1']) {
    expect(() => requireNode(old)).toThrow(`needs Node.js 22.18 or later, and this is ${old}`)
  }
  for (const recent of ['22.18.0', '22.20.0', '24.0.0', '26.1.0', process.versions.node]) {
    expect(() => requireNode(recent)).not.toThrow()
  }
})
