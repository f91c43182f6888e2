import { afterAll, beforeAll, expect, test } from 'vitest'
import { type BundledServer, startBundledServer } from './bundled-server.ts'

const BYTES = 2_400_000

let server: BundledServer

beforeAll(async () => {
  server = await startBundledServer()
})
afterAll(() => server.close())

async function refuse(payload: string): Promise<number> {
  const headers = { 'content-type': 'application/json' }
  const startedAt = performance.now()
  const refused = await server.asAdmin({ method: 'POST', url: '/api/admin/tasks', payload, headers })
  expect(refused.json()).toMatchObject({ status: 400, code: 'INVALID_REQUEST' })
  return performance.now() - startedAt
}

test.each([
  ['one text', JSON.stringify('x'.repeat(BYTES))],
  ['a list', `[${'0,'.repeat(BYTES / 2)}0]`],
])('a large body that is %s is refused about as fast as a large field', async (_name, body) => {
  const field = JSON.stringify({ taskType: 'x'.repeat(BYTES) })
  const rounds: number[] = []
  for (let round = 1; round <= 3; round += 1) rounds.push((await refuse(body)) / (await refuse(field)))
  expect(rounds.toSorted((a, b) => a - b)[1]).toBeLessThan(10)
})
