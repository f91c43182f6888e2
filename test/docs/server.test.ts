import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ADMIN, type BundledServer, startBundledServer } from '../http/bundled-server.ts'

const guide = readFileSync(new URL('../../docs/server.md', import.meta.url), 'utf8')

/** The calls of `curl`: the path below the prefix, and the body. */
const calls = [...guide.matchAll(/^curl -s .*?\$API(\/\S+)(?: --json '([^']*)')?/gm)].map(
  ([, path = '', body]) => ({ path, body }),
)

let server: BundledServer

beforeAll(async () => {
  server = await startBundledServer()
})
afterAll(() => server.close())

test('the calls of the page log in, create the four tasks and list them', async () => {
  expect(calls.map(({ path }) => path)).toEqual(['/auth/login', ...Array(5).fill('/tasks')])
  for (const { path, body } of calls) {
    const url = `/api/admin${path}`
    const payload = body?.replace('"…"', JSON.stringify(ADMIN.password))
    const response =
      payload === undefined
        ? await server.asAdmin({ url })
        : await server.asAdmin({
            url,
            method: 'POST',
            payload,
            headers: { 'content-type': 'application/json' },
          })
    expect([200, 201], `${path}: ${response.body}`).toContain(response.statusCode)
    if (payload !== undefined) continue
    const types = response.json<{ tasks: { taskType: string }[] }>().tasks.map(({ taskType }) => taskType)
    expect(types).toEqual(['backfill_by_range', 'backfill_by_date', 'init_sectors', 'init_stocks'])
  }
})
