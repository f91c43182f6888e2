import { Writable } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import { buildApp } from '../../src/app.ts'
import { parseConfig } from '../../src/config.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

async function start(database: TestDatabase, env: Record<string, string>) {
  const logged: string[] = []
  const stream = new Writable({
    write(chunk, _encoding, done) {
      logged.push(String(chunk))
      done()
    },
  })
  const options = { databaseUrl: database.url, logger: { level: 'info', stream } }
  const app = await buildApp(parseConfig(env), options)
  onTestFinished(() => app.close())
  await app.ready()
  return { app, warnings: () => logged.filter((line) => JSON.parse(line).level === 40), logged }
}

async function createDatabase(): Promise<TestDatabase> {
  const database = await createTestDatabase('server')
  onTestFinished(() => database.drop())
  return database
}

test.each([
  ['false', 1],
  ['0', 1],
  ['1', 0],
  ['127.0.0.1', 0],
])('with TRUST_PROXY=%s, X-Forwarded-For is warned of %i times', async (TRUST_PROXY, times) => {
  const { app, warnings } = await start(await createDatabase(), { TRUST_PROXY })
  await app.inject('/health/live')
  expect(warnings()).toEqual([])
  for (let request = 1; request <= 3; request++) {
    await app.inject({ url: '/health/live', headers: { 'x-forwarded-for': '198.51.100.1' } })
  }
  expect(warnings()).toHaveLength(times)
  if (times > 0) expect(warnings()[0]).toContain('Set TRUST_PROXY to the number of proxies')
})

test('a start with another ADMIN_USERNAME logs who is no admin any more', async () => {
  const database = await createDatabase()
  await start(database, { ADMIN_USERNAME: 'first' })
  const second = await start(database, { ADMIN_USERNAME: 'second' })
  expect(second.warnings()).toEqual([expect.stringContaining('"users":["first"]')])
  const third = await start(database, { ADMIN_USERNAME: 'second' })
  expect(third.warnings()).toEqual([])
})
