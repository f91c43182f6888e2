import { Readable } from 'node:stream'
import type { InjectOptions } from 'fastify'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { runCommandLine } from '../../src/cli/command-line.ts'
import type { Actor } from '../../src/engine/definition/actor.ts'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { type Change, type Expected, expectedOf, MISSING, rollBack, sampleChange } from './audited-changes.ts'
import {
  ADMIN,
  addUser,
  type BundledServer,
  logIn,
  postLogin,
  startBundledServer,
  withToken,
} from './bundled-server.ts'

const SEED = 20_261
const CHANGES = 1_000
const PASSWORD = 'as long as it has to be'

const { task } = createTaskRegistry()
const quick = task('quick')(() => undefined)
const strict = task('strict', { params: z.strictObject({ n: z.int() }) })(() => undefined)

let server: BundledServer
let ways: Way[]
let command: Way

interface Outcome {
  readonly result: unknown
  /** Of the error. */
  readonly code: string | undefined
}
interface Way {
  readonly actorId: string
  make(change: Change, requestId: string): Promise<Outcome>
}

beforeAll(async () => {
  server = await startBundledServer({ tasks: [quick, strict] })
  await addUser(server.database, { username: 'grace', password: PASSWORD }, 'admin')
  const page = await postLogin(server.app, ADMIN)
  const cookie = String(page.headers['set-cookie']).split(';', 1)[0] ?? ''
  const token = await logIn(server.app, { username: 'grace', password: PASSWORD })
  const { rows } = await server.database.pool.query<{ id: string }>(
    `select id from users where username = 'admin'`,
  )
  const prefixed = ({ url, ...request }: InjectOptions & { url: string }) => ({
    ...request,
    url: `/api/admin${url}`,
  })
  ways = [
    {
      actorId: rows[0]?.id ?? '',
      make: ({ rest }) =>
        overHttp({ ...prefixed(rest), headers: { cookie, 'sec-fetch-site': 'same-origin' } }),
    },
    { actorId: 'id-of-grace', make: ({ rest }) => overHttp(withToken(prefixed(rest), token)) },
    { actorId: 'nightly job', make: ({ code }, requestId) => inCode(code, { id: 'nightly job', requestId }) },
  ]
  const byCommand = { id: 'cli:ada' }
  command = {
    actorId: byCommand.id,
    make: ({ cli, code }) => (cli ? onCommandLine([...cli, '--json']) : inCode(code, byCommand)),
  }
})
afterAll(() => server.close())

async function overHttp(request: InjectOptions): Promise<Outcome> {
  const answer = await server.app.inject(request)
  const body: unknown = answer.body === '' ? undefined : answer.json()
  expect(answer.statusCode, answer.body).toBeLessThan(500)
  const isOk = answer.statusCode < 300
  return { result: isOk ? body : undefined, code: isOk ? undefined : (body as { code: string }).code }
}

async function inCode(change: Change['code'], actor: Actor): Promise<Outcome> {
  try {
    return { result: await change(server.app.tasks, { actor }), code: undefined }
  } catch (error) {
    const { code } = error as { code: string }
    if (code === undefined) throw error
    return { result: undefined, code }
  }
}

async function onCommandLine(args: readonly string[]): Promise<Outcome> {
  let [out, err] = ['', '']
  await runCommandLine(args, {
    env: { DATABASE_URL: server.database.directUrl },
    user: 'ada',
    signal: new AbortController().signal,
    input: Readable.from([]),
    out: (text) => {
      out += text
    },
    err: (text) => {
      err += text
    },
  })
  if (out !== '') return { result: JSON.parse(out), code: undefined }
  return { result: undefined, code: err.split(':', 1)[0] }
}

test(`of ${CHANGES} random changes over REST, page, code and command each has exactly one entry, and one that is rolled back has none`, async () => {
  const created: string[] = [MISSING, 'no id']
  const pick = (place: number) => created[place % created.length] ?? MISSING
  const expected: (Expected & { actorId: string })[] = []
  await server.database.pool.query('truncate async_task_audit')
  for (let n = 0; n < CHANGES; n += 1) {
    // Each call of the command opens its own connections.
    const { actorId, make } = n % 12 === 11 ? command : (ways[n % ways.length] as Way)
    const change = sampleChange(pick, SEED + n)
    const { result, code } = await make(change, `request ${n}`)
    const { taskId } = (result ?? {}) as { taskId?: string }
    if (taskId !== undefined && !created.includes(taskId)) created.push(taskId)
    expected.push(...expectedOf(change, result, code).map((entry) => ({ ...entry, actorId })))
    if (n % 25 === 0) {
      await rollBack(server.app.tasks, server.database.pool, { id: 'nobody', requestId: String(n) })
    }
  }
  const { rows } = await server.database.pool.query<Expected & { actorId: string }>(
    `select actor_id as "actorId", action, subject, outcome from async_task_audit order by at, id`,
  )
  expect(rows.filter(({ actorId }) => actorId === 'nobody')).toEqual([])
  expect(rows).toHaveLength(expected.length)
  expect(countBy(rows)).toEqual(countBy(expected))
  // The sample has refusals of many kinds, and changes of all.
  expect(new Set(rows.map(({ action }) => action)).size).toBe(12)
  expect(new Set(rows.map(({ outcome }) => outcome)).size).toBeGreaterThan(8)
  expect(rows.filter(({ outcome }) => outcome !== 'ok').length).toBeGreaterThan(CHANGES / 10)
})

function countBy(entries: readonly (Expected & { actorId: string })[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { actorId, action, subject, outcome } of entries) {
    const key = `${actorId} | ${action} | ${subject} | ${outcome}`
    counts[key] = (counts[key] ?? 0) + 1
  }
  return counts
}
