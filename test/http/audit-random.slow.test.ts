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
/** Of the users by their names. */
const userIds = new Map<string, string>()
const created: string[] = [MISSING, 'no id']

interface Outcome {
  readonly result: unknown
  /** Of the error. */
  readonly code: string | undefined
}
interface Way {
  readonly actorId: string
  /** Absent: there is no such change this way. */
  make(change: Change, requestId: string): Promise<Outcome> | undefined
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
  const admin = rows[0]?.id ?? ''
  userIds.set('admin', admin)
  const prefixed = ({ url, ...request }: InjectOptions & { url: string }) => ({
    ...request,
    url: `/api/admin${url}`,
  })
  ways = [
    {
      actorId: admin,
      make: ({ rest }) =>
        rest && overHttp({ ...prefixed(rest), headers: { cookie, 'sec-fetch-site': 'same-origin' } }),
    },
    { actorId: 'id-of-grace', make: ({ rest }) => rest && overHttp(withToken(prefixed(rest), token)) },
    {
      actorId: 'nightly job',
      make: ({ code }, requestId) => code && inCode(code, { id: 'nightly job', requestId }),
    },
  ]
  const byCommand = { id: 'cli:ada' }
  command = {
    actorId: byCommand.id,
    make: ({ cli, code, input }) =>
      cli ? onCommandLine([...cli, '--json'], input) : code && inCode(code, byCommand),
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

async function inCode(change: NonNullable<Change['code']>, actor: Actor): Promise<Outcome> {
  try {
    return { result: await change(server.app.tasks, { actor }), code: undefined }
  } catch (error) {
    const { code } = error as { code: string }
    if (code === undefined) throw error
    return { result: undefined, code }
  }
}

async function onCommandLine(args: readonly string[], input = ''): Promise<Outcome> {
  let [out, err] = ['', '']
  await runCommandLine(args, {
    env: { DATABASE_URL: server.database.directUrl },
    user: 'ada',
    signal: new AbortController().signal,
    input: Readable.from([input]),
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
  const pick = (place: number) => created[place % created.length] ?? MISSING
  const expected: (Expected & { actorId: string })[] = []
  await server.database.pool.query('truncate async_task_audit')
  for (let n = 0; n < CHANGES; n += 1) {
    const change = sampleChange(pick, (username) => userIds.get(username) ?? username, SEED + n)
    const { actorId, result, code } = await makeOneWay(change, n)
    remember(result)
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
  expect(new Set(rows.map(({ action }) => action)).size).toBe(16)
  expect(new Set(rows.map(({ outcome }) => outcome)).size).toBeGreaterThan(8)
  expect(rows.filter(({ outcome }) => outcome !== 'ok').length).toBeGreaterThan(CHANGES / 10)
})

/** Each call of the command opens its own connections, so most changes are made in other ways. */
async function makeOneWay(change: Change, n: number): Promise<Outcome & { actorId: string }> {
  const turn = n % 12 === 11 ? command : (ways[n % ways.length] as Way)
  for (const { actorId, make } of [turn, command]) {
    const outcome = await make(change, `request ${n}`)
    if (outcome) return { actorId, ...outcome }
  }
  throw new Error(`there is no way to make ${change.action}`)
}

/** Later changes are about what earlier ones have made. */
function remember(result: unknown): void {
  const { taskId, user = result } = (result ?? {}) as { taskId?: string; user?: unknown }
  if (taskId !== undefined && !created.includes(taskId)) created.push(taskId)
  const { username, id } = (user ?? {}) as { username?: string; id?: string }
  if (username !== undefined && id !== undefined) userIds.set(username, id)
}

function countBy(entries: readonly (Expected & { actorId: string })[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { actorId, action, subject, outcome } of entries) {
    const key = `${actorId} | ${action} | ${subject} | ${outcome}`
    counts[key] = (counts[key] ?? 0) + 1
  }
  return counts
}
