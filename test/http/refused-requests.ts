import fc from 'fast-check'
import type { LightMyRequestResponse } from 'fastify'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { LEAKS } from './attacks.ts'
import { ADMIN, type BundledServer, startBundledServer, USER } from './bundled-server.ts'
import { type Paths, type RandomRequest, randomRequests } from './random-requests.ts'

/** `FUZZ_SEED` repeats a run. */
const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31)

const { task } = createTaskRegistry()
const echo = task('echo')((params) => params)

let server: BundledServer
let taskIds: string[]

/** In the params of every task: a response to a stranger with it leaks. */
const SECRET = 'hush-7d41f0'
/** What changes by itself, such as when a session was used last. */
const TABLES = ['async_tasks', 'async_task_schedules', 'async_task_types', 'async_task_logs', 'users']

/** Requests of those who may change nothing, while others are served. */
export function testRefusedRequests(numRuns: number): void {
  beforeAll(async () => {
    server = await startBundledServer({ tasks: [echo], env: { REQUESTS_PER_MINUTE: '1000000' } })
    const { tasks } = server.app
    const done = await tasks.createTasks(
      Array.from({ length: 5 }, () => ({ task: echo, params: { a: SECRET } })),
    )
    await Promise.all(done.map(({ taskId }) => tasks.waitFor(taskId)))
    const runAt = new Date(Date.now() + 86_400_000)
    const pending = await tasks.createTasks([{ task: echo, params: { a: SECRET }, runAt }])
    taskIds = [...done, ...pending].map(({ taskId }) => taskId)
    await tasks.declareSchedules([{ name: 'nightly', cron: '0 0 1 1 *', task: echo }])
    server.app.taskExecutor?.beginStop()
  })
  afterAll(() => server.close())

  test.each([
    ['somebody who may change nothing', 'user'],
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
      const meanwhile = askMeanwhile()
      const seen = new Map<number, number>()
      await fc.assert(
        fc.asyncProperty(randomRequests(Object.fromEntries(others), hints), async (random) => {
          const answer = await ask(role, random)
          seen.set(answer.statusCode, (seen.get(answer.statusCode) ?? 0) + 1)
          checkAnswer(role, random, answer)
        }),
        { seed, numRuns },
      )
      console.log(`answers to ${role}: ${JSON.stringify([...seen])}`)
      expect([...seen.keys()]).toEqual(expect.arrayContaining([role === 'none' ? 401 : 403]))
      expect(await readTables()).toEqual(before)
      const answers = await meanwhile.end()
      expect(new Set(answers)).toEqual(new Set([200]))
    },
    900_000,
  )
}

/** Somebody else who asks all the time. */
function askMeanwhile(): { end(): Promise<number[]> } {
  const answers: number[] = []
  let isOver = false
  const asking = (async () => {
    while (!isOver || answers.length === 0) {
      answers.push((await server.asAdmin({ url: '/api/admin/tasks' })).statusCode)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  })()
  return {
    async end() {
      isOver = true
      await asking
      return answers
    },
  }
}

/** A stream has no end: its status is all that is asked for. */
async function ask(role: 'user' | 'none', { request, path }: RandomRequest): Promise<LightMyRequestResponse> {
  const send = role === 'user' ? server.asUser : server.app.inject.bind(server.app)
  if (!path.endsWith('/events')) return send(request)
  const opened = await send({ ...request, payloadAsStream: true })
  if (opened.statusCode !== 200) return send(request)
  opened.stream().destroy()
  return opened
}

function checkAnswer(
  role: 'user' | 'none',
  { request, path }: RandomRequest,
  answer: LightMyRequestResponse,
): void {
  const { statusCode } = answer
  const what = `${request.method} ${request.url}: ${answer.body}`
  if (path === '/health/ready' && answer.json().code === 'NOT_READY') return
  expect(statusCode, what).toBeLessThan(500)
  if (role === 'none' && path.startsWith('/api/admin')) {
    expect([400, 401, 404, 405, 413, 415, 429], what).toContain(statusCode)
    expect(answer.body).not.toContain(SECRET)
  }
  if (statusCode >= 400) for (const leak of LEAKS) expect(answer.body, what).not.toMatch(leak)
  for (const { password } of [ADMIN, USER]) expect(answer.body).not.toContain(password)
}

async function readTables(): Promise<unknown[]> {
  const all = await Promise.all(
    TABLES.map((table) => server.database.pool.query(`select * from ${table} order by 1`)),
  )
  return all.map((result) => result.rows as unknown)
}
