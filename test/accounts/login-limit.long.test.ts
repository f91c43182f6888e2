import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type BundledServer, startBundledServer } from '../http/bundled-server.ts'

let server: BundledServer

beforeAll(async () => {
  server = await startBundledServer({ hashes: 'real' })
})
afterAll(() => server.close())

const guess = (username: string, remoteAddress: string) =>
  server.app.inject({
    method: 'POST',
    url: '/api/admin/auth/login',
    payload: { username, password: 'guess' },
    remoteAddress,
  })

describe('a hundred log-ins at once from one address, each with another name', () => {
  test('leave the threads that everything shares free, and most are sent away at once', async () => {
    const names = Array.from({ length: 100 }, (_, index) => `crowd-${index}`)
    const crowd = Promise.all(names.map((name) => guess(name, '198.51.100.9')))
    // A file is read on the same threads; it waits for a derivation at the most.
    const reads = readsUntil(crowd)
    const answers = await crowd
    const busy = answers.filter((answer) => answer.statusCode === 429)
    expect(answers.length - busy.length).toBe(52)
    expect(busy[0]?.json()).toMatchObject({ status: 429, code: 'TOO_MANY_LOGINS' })
    expect(busy[0]?.headers['retry-after']).toBe('5')
    // With all four threads taken there would be one or two.
    expect(await reads).toBeGreaterThan(100)
  })

  test('close the door for the address, whatever the name', async () => {
    const refused = await guess('another', '198.51.100.9')
    expect(refused.json()).toMatchObject({ status: 429, code: 'TOO_MANY_FAILURES' })
    expect((await guess('another', '198.51.100.10')).statusCode).toBe(401)
  })
})

/** How many times a file could be read meanwhile, one read after the other. */
async function readsUntil(done: Promise<unknown>): Promise<number> {
  let isDone = false
  const ended = done.then(() => {
    isDone = true
  })
  let reads = 0
  while (!isDone) {
    await readFile(import.meta.filename)
    reads++
  }
  await ended
  return reads
}
