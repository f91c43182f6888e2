import { readFileSync } from 'node:fs'
import path from 'node:path'
import { parseEnv } from 'node:util'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { ConfigError, environment, parseConfig, readConfig } from '../src/config.ts'
import { taskSettings } from '../src/engine/definition/settings.ts'

function problemsOf(env: Record<string, string>) {
  try {
    parseConfig(env)
  } catch (error) {
    if (error instanceof ConfigError) return error
    throw error
  }
  throw new Error('the configuration was accepted')
}

test('an empty environment gives the defaults, the engine’s own among them', () => {
  const config = parseConfig({})
  expect(config).toEqual({
    production: false,
    http: {
      host: '127.0.0.1',
      port: 3000,
      publicUrl: undefined,
      trustProxy: false,
      docs: true,
      metricsToken: undefined,
      requestsPerMinute: 6_000,
    },
    log: { level: 'info' },
    database: { url: undefined, directUrl: undefined, poolMax: 10, prepared: true },
    tasks: taskSettings.parse({}),
    auth: {
      secret: undefined,
      sessionTtlHours: 12,
      sessionIdleMinutes: 30,
      adminUsername: 'admin',
      adminPassword: undefined,
    },
    market: { source: 'sample' },
  })
})

test('the configuration cannot be changed', () => {
  const config = parseConfig({})
  expect(() => Object.assign(config.tasks, { concurrency: 3 })).toThrow(TypeError)
})

test('an empty value counts as absent', () => {
  expect(parseConfig({ PORT: '', DATABASE_URL: '', AUTH_SECRET: '' })).toEqual(parseConfig({}))
})

test('values are parsed to their types', () => {
  const config = parseConfig({
    PORT: '0',
    DATABASE_URL: 'postgresql://app:pass@db:6432/app?sslmode=require',
    DATABASE_DIRECT_URL: 'postgres://app:pass@db/app',
    DATABASE_PREPARED: 'false',
    TASK_CONCURRENCY: '16',
    TASK_RETENTION_DAYS: '0.5',
    MARKET_SOURCE: 'files',
    MARKET_FILES_DIR: '../data',
  })
  expect(config.http.port).toBe(0)
  expect(config.database).toMatchObject({ directUrl: 'postgres://app:pass@db/app', prepared: false })
  expect(config.tasks).toMatchObject({ concurrency: 16, retentionDays: 0.5 })
  expect(config.market).toEqual({ source: 'files', filesDir: '../data' })
})

test('migrations and LISTEN use DATABASE_URL where no direct one is given', () => {
  const url = 'postgres://app@db/app'
  expect(parseConfig({ DATABASE_URL: url }).database.directUrl).toBe(url)
})

test.each([
  ['false', false],
  ['0', 0],
  ['2', 2],
  ['::1', '::1'],
  ['10.0.0.0/8, fd00::/8', '10.0.0.0/8, fd00::/8'],
  ['10.0.0.1, 10.1.0.0/16', '10.0.0.1, 10.1.0.0/16'],
])('TRUST_PROXY=%s', (value, parsed) => {
  expect(parseConfig({ TRUST_PROXY: value }).http.trustProxy).toBe(parsed)
})

test.each([
  ['https://tasks.example.com', 'https://tasks.example.com/'],
  ['HTTP://Tasks.Example.com:80/ops/', 'http://tasks.example.com/ops/'],
  ['http://[::1]:8080', 'http://[::1]:8080/'],
])('PUBLIC_URL=%s', (value, parsed) => {
  expect(parseConfig({ PUBLIC_URL: value }).http.publicUrl?.href).toBe(parsed)
})

test.each([
  ['PUBLIC_URL', 'tasks.example.com'],
  ['PUBLIC_URL', 'ftp://tasks.example.com'],
  ['PUBLIC_URL', 'https://user@tasks.example.com'],
  ['PUBLIC_URL', 'https://tasks.example.com/?a=b'],
  ['PUBLIC_URL', 'https://tasks.example.com/#a'],
  ['SESSION_IDLE_MINUTES', '0'],
  ['PORT', '65536'],
  ['PORT', '3000.5'],
  ['PORT', '-1'],
  ['PORT', '0x10'],
  ['LOG_LEVEL', 'loud'],
  ['TRUST_PROXY', 'yes'],
  ['TRUST_PROXY', 'true'],
  ['TRUST_PROXY', '0.0.0.0/0'],
  ['TRUST_PROXY', '10.0.0.1, ::/0'],
  ['TRUST_PROXY', '0.0.0.0/1,128.0.0.0/1'],
  ['TRUST_PROXY', '10.0.0.256'],
  ['TRUST_PROXY', '10.0.0.0/33'],
  ['TRUST_PROXY', '1000'],
  ['ADMIN_USERNAME', ' '],
  ['ADMIN_USERNAME', 'x'.repeat(101)],
  ['ADMIN_USERNAME', 'a\u0000'],
  ['ADMIN_PASSWORD', 'a quiet river bends '.repeat(51)],
  ['DATABASE_URL', 'mysql://db/app'],
  ['DATABASE_URL', 'db'],
  ['DATABASE_PREPARED', '1'],
  ['DATABASE_POOL_MAX', '0'],
  ['TASK_CONCURRENCY', '0'],
  ['TASK_TIMEOUT_SECONDS', '2147484'],
  ['AUTH_SECRET', 'short'],
  ['AUTH_SECRET', '0'.repeat(64)],
  ['AUTH_SECRET', 'abcdefghi'.repeat(8)],
  ['METRICS_TOKEN', 'short'],
  ['METRICS_TOKEN', 'a token with spaces'],
  ['DOCS', 'yes'],
  ['REQUESTS_PER_MINUTE', '0'],
  ['MARKET_SOURCE', 'bloomberg'],
  ['TUSHARE_URL', 'ftp://api'],
])('%s=%s is refused', (variable, value) => {
  expect(problemsOf({ [variable]: value }).problems).toEqual([expect.objectContaining({ variable })])
})

describe('what must fit together', () => {
  test.each([
    ['TASK_LEASE_MS', { TASK_LEASE_MS: '14999' }],
    ['TASK_LEASE_MS', { TASK_HEARTBEAT_INTERVAL_MS: '10001' }],
    ['DATABASE_DIRECT_URL', { DATABASE_DIRECT_URL: 'postgres://db/app' }],
    ['AUTH_SECRET', { NODE_ENV: 'production' }],
    ['MARKET_FILES_DIR', { MARKET_SOURCE: 'files' }],
    ['TUSHARE_TOKEN', { MARKET_SOURCE: 'tushare' }],
  ])('%s is refused with %o', (variable, env) => {
    expect(problemsOf(env).problems).toEqual([expect.objectContaining({ variable })])
  })

  test('production is accepted with a secret of 32 characters', () => {
    const secret = '0123456789'.repeat(4)
    expect(parseConfig({ NODE_ENV: 'production', AUTH_SECRET: secret })).toMatchObject({
      production: true,
      auth: { secret },
    })
  })
})

test.each([
  [{}, true],
  [{ NODE_ENV: 'production' }, false],
  [{ NODE_ENV: 'production', DOCS: 'true' }, true],
  [{ DOCS: 'false' }, false],
])('with %o, whether /docs is served is %s', (env, docs) => {
  expect(parseConfig({ AUTH_SECRET: '0123456789'.repeat(4), ...env }).http.docs).toBe(docs)
})

test('what is read leaves no secret in the environment', () => {
  const secrets = {
    AUTH_SECRET: 'a secret of more than 32 characters',
    ADMIN_PASSWORD: 'correct horse battery staple',
    DATABASE_URL: 'postgres://app:hush@db/app',
    DATABASE_DIRECT_URL: 'postgres://app:hush@direct/app',
    METRICS_TOKEN: 'a-token-of-16-or-more',
    TUSHARE_TOKEN: 'hush-hush',
  }
  for (const [name, value] of Object.entries({ ...secrets, HOST: '::1' })) vi.stubEnv(name, value)
  onTestFinished(() => void vi.unstubAllEnvs())
  const config = readConfig()
  expect(config.auth).toMatchObject({ secret: secrets.AUTH_SECRET, adminPassword: secrets.ADMIN_PASSWORD })
  expect(config.database.url).toBe(secrets.DATABASE_URL)
  for (const name of Object.keys(secrets)) expect(process.env, name).not.toHaveProperty(name)
  expect(process.env.HOST).toBe('::1')
})

test('a password in a URL where none belongs is not repeated', () => {
  const error = problemsOf({ TUSHARE_URL: 'ftp://user:hush@api.example/x', PORT: 'http://u:hush@x' })
  expect(error.message).toContain('TUSHARE_URL=ftp://…@api.example/x: expected')
  expect(error.message).not.toContain('hush')
})

test('every problem is listed with its variable, its value and what was expected', () => {
  const error = problemsOf({ PORT: 'x', LOG_LEVEL: 'loud', MARKET_SOURCE: 'files', TASK_LEASE_MS: '150' })
  expect(error.message.split('\n').slice(1)).toEqual([
    '  PORT=x: expected a whole number, 0 … 65535',
    '  LOG_LEVEL=loud: expected one of fatal, error, warn, info, debug, trace, silent',
    '  TASK_LEASE_MS=150: expected at least 3 × TASK_HEARTBEAT_INTERVAL_MS, which is 5000',
    '  MARKET_FILES_DIR: expected the folder of the CSV files, because MARKET_SOURCE is files',
  ])
})

test('TRUST_PROXY=true is refused with what to write instead', () => {
  expect(problemsOf({ TRUST_PROXY: 'true' }).message).toContain(
    'TRUST_PROXY=true: expected the number of proxies in front of the server (such as 1), or their addresses',
  )
})

test('the longest name and password that the log-in takes are accepted', () => {
  const auth = { adminUsername: 'x'.repeat(100), adminPassword: 'a quiet river bends '.repeat(50) }
  const env = { ADMIN_USERNAME: auth.adminUsername, ADMIN_PASSWORD: auth.adminPassword }
  expect(parseConfig(env).auth).toMatchObject(auth)
})

test('secrets are never shown', () => {
  const error = problemsOf({
    AUTH_SECRET: 'hush',
    ADMIN_PASSWORD: 'hush'.repeat(300),
    DATABASE_URL: 'mysql://app:hush@db',
  })
  expect(JSON.stringify([error.message, error.problems])).not.toContain('hush')
})

test('.env.example lists every variable with its default', () => {
  const example = parseEnv(readFileSync(path.resolve(import.meta.dirname, '../.env.example'), 'utf8'))
  const variables = Object.keys(environment.shape).filter((name) => name !== 'NODE_ENV')
  expect(Object.keys(example).toSorted()).toEqual(variables.toSorted())
  expect(parseConfig(example as Record<string, string>)).toEqual(parseConfig({}))
  for (const name of variables) {
    const isDefaulted = environment.safeParse({}).data?.[name as keyof typeof environment.shape] !== undefined
    expect(example[name] !== '', `${name} shows its default`).toBe(isDefaulted)
  }
})
