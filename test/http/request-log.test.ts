import { Writable } from 'node:stream'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { buildApp } from '../../src/app.ts'
import { parseConfig } from '../../src/config.ts'
import { createTestDatabase } from '../support/database.ts'

const logged: string[] = []
let app: Awaited<ReturnType<typeof buildApp>>

beforeAll(async () => {
  const database = await createTestDatabase('server')
  const stream = new Writable({
    write(chunk, _encoding, done) {
      logged.push(String(chunk))
      done()
    },
  })
  app = await buildApp(parseConfig({}), { databaseUrl: database.url, logger: { level: 'trace', stream } })
  await app.ready()
  afterAll(async () => {
    await app.close()
    await database.drop()
  })
})

test.each([
  ['a query', '/api/admin/tasks?access_token=hush-hush&page=1'],
  ['a query of an unknown path', '/nowhere?token=hush-hush'],
  ['a path that is not UTF-8, and its query', '/%ff?token=hush-hush'],
])('no log line holds %s', async (_name, url) => {
  logged.length = 0
  await app.inject({ url, headers: { authorization: 'Bearer hush-hush', cookie: 'x=hush-hush' } })
  expect(logged.join('')).toContain(`"url":"${url.replace(/\?.*/, '?…')}"`)
  expect(logged.join('')).not.toContain('hush')
})

test('a request forges no log line', async () => {
  logged.length = 0
  const forged = '\r\n{"level":30,"msg":"forged"}'
  await app.inject({
    method: 'POST',
    url: `/api/admin/auth/login?${encodeURIComponent(forged)}`,
    headers: { 'user-agent': 'x\t"}', 'x-forwarded-for': '{"level":30}', 'x-request-id': '{"level":30}' },
    payload: { username: forged, password: forged },
  })
  await app.inject({ url: `/${encodeURIComponent(forged)}\u2028"` })
  expect(logged.length).toBeGreaterThan(2)
  for (const line of logged) {
    expect(line.endsWith('\n')).toBe(true)
    expect(line.trimEnd()).not.toMatch(/[\n\r]/)
    expect(JSON.parse(line)).not.toMatchObject({ msg: 'forged' })
  }
})
