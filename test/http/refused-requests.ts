import fc from 'fast-check'
import type { LightMyRequestResponse } from 'fastify'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { LEAKS } from './attacks.ts'
import { ADMIN, type BundledServer, startBundledServer, USER, VIEWER } from './bundled-server.ts'
import { readBeginning, whileServing } from './meanwhile.ts'
import { type Paths, type RandomRequest, randomRequests } from './random-requests.ts'

/** `FUZZ_SEED` repeats a run. */
const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31)

const { task } = createTaskRegistry()
const echo = task('echo', { redact: ['password'] })((params) => params)

let server: BundledServer
let taskIds: string[]

/** In the params of every task: a response with it to somebody who may not read them leaks. */
const SECRET = 'hush-7d41f0'
/** In a param that is redacted: no response has it. */
const REDACTED = 'hidden-3c90be'
const params = { a: SECRET, password: REDACTED }

type AskedBy = 'user' | 'viewer' | 'none'
/** What changes by itself, such as when a session was used last. */
const TABLES = ['async_tasks', 'async_task_schedules', 'async_task_types', 'async_task_logs', 'users']

/** Requests of those who may change nothing, while others are served. */
export function testRefusedRequests(numRuns: number): void {
  beforeAll(async () => {
    server = await startBundledServer({ tasks: [echo], env: { REQUESTS_PER_MINUTE: '1000000' } })
    const { tasks } = server.app
    const done = await tasks.createTasks(Array.from({ length: 5 }, () => ({ task: echo, params })))
    await Promise.all(done.map(({ taskId }) => tasks.waitFor(taskId)))
    const runAt = new Date(Date.now() + 86_400_000)
    const pending = await tasks.createTasks([{ task: echo, params, runAt }])
    taskIds = [...done, ...pending].map(({ taskId }) => taskId)
    await tasks.declareSchedules([{ name: 'nightly', cron: '0 0 1 1 *', task: echo, params }])
    server.app.taskExecutor?.beginStop()
  })
  afterAll(() => server.close())

  test.each([
    ['a user without a role', 'user'],
    ['a viewer', 'viewer'],
    ['nobody', 'none'],
  ] as const)(
    `${numRuns} random requests of %s meet no 5xx and change nothing (seed ${seed})`,
    async (_who, role) => {
      const { paths } = (await server.app.inject('/docs/json')).json<{ paths: Paths }>()
      const hints = { taskId: taskIds, taskType: ['echo'], name: ['nightly'], username: [ADMIN.username] }
      // A log-out would leave nothing to refuse.
      const others = Object.entries(paths).filter(
        ([path]) => !/\/auth\/(logout|sessions|password)/.test(path),
      )
      const before = await readTables()
      const seen = new Map<number, number>()
      let hasSeenSecret = false
      const requests = fc.asyncProperty(randomRequests(Object.fromEntries(others), hints), async (random) => {
        const answer = await ask(role, random)
        seen.set(answer.statusCode, (seen.get(answer.statusCode) ?? 0) + 1)
        hasSeenSecret ||= answer.body.includes(SECRET)
        checkAnswer(role, random, answer)
      })
      await whileServing(
        async () => (await server.asAdmin({ url: '/api/admin/tasks' })).statusCode,
        () => fc.assert(requests, { seed, numRuns }),
      )
      console.log(`answers to ${role}: ${JSON.stringify([...seen])}`)
      expect([...seen.keys()]).toEqual(expect.arrayContaining([role === 'none' ? 401 : 403]))
      // Shows that the search finds it.
      expect(hasSeenSecret).toBe(role === 'viewer')
      expect(await readTables()).toEqual(before)
    },
    900_000,
  )
}

type Answer = Pick<LightMyRequestResponse, 'statusCode' | 'body'>

async function ask(role: AskedBy, { request, path }: RandomRequest): Promise<Answer> {
  const { app, asUser, asViewer } = server
  const send = { user: asUser, viewer: asViewer, none: app.inject.bind(app) }[role]
  if (!path.endsWith('/events')) return send(request)
  const opened = await send({ ...request, payloadAsStream: true })
  if (opened.statusCode !== 200) return send(request)
  const body = await readBeginning(opened.stream())
  // The client has gone: what `inject` returned is not the connection.
  opened.raw.res.destroy()
  return { statusCode: 200, body }
}

function checkAnswer(role: AskedBy, { request, path }: RandomRequest, { statusCode, body }: Answer): void {
  const what = `${request.method} ${request.url}: ${body}`
  expect(body, what).not.toContain(REDACTED)
  if (role !== 'viewer') expect(body, what).not.toContain(SECRET)
  if (path === '/health/ready' && body.includes('NOT_READY')) return
  expect(statusCode, what).toBeLessThan(500)
  if (role === 'none' && path.startsWith('/api/admin')) {
    expect([400, 401, 404, 405, 413, 415, 429], what).toContain(statusCode)
  }
  if (statusCode >= 400) for (const leak of LEAKS) expect(body, what).not.toMatch(leak)
  for (const { password } of [ADMIN, VIEWER, USER]) expect(body).not.toContain(password)
}

async function readTables(): Promise<unknown[]> {
  const all = await Promise.all(
    TABLES.map((table) => server.database.pool.query(`select * from ${table} order by 1`)),
  )
  return all.map((result) => result.rows as unknown)
}
