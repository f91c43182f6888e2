import fc from 'fast-check'
import type { LightMyRequestResponse } from 'fastify'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { problem } from '../../src/contract/problem.ts'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { LEAKS } from './attacks.ts'
import { type BundledServer, startBundledServer } from './bundled-server.ts'
import { whileServing } from './meanwhile.ts'
import { type Paths, type RandomRequest, randomRequests } from './random-requests.ts'

/** `FUZZ_SEED` repeats a run. */
const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31)

const VALIDATION_CODES = new Set([
  'INVALID_REQUEST',
  'INVALID_PARAMS',
  'INVALID_ARGUMENT',
  'UNKNOWN_TASK_TYPE',
  'USE_CURSOR',
])

/** Names, of which all but three are taken at first, and what a schedule may say. */
const SCHEDULES = {
  name: Array.from({ length: 10 }, (_, i) => `schedule_${i}`),
  cron: ['* * * * *', '30 17 * * 1-5', '@daily', '0 0 30 2 *', '*/15 * * * * *'],
  timeZone: ['UTC', 'Asia/Shanghai', 'Europe/Berlin', '+02:00'],
}

const { task } = createTaskRegistry()
const echo = task('echo')((params) => params)

let server: BundledServer
let taskIds: string[]

/** The test of a file: so many requests to a server of their own, which meet at least these statuses. */
export function testRandomRequests(numRuns: number, statuses: readonly number[]): void {
  beforeAll(async () => {
    server = await startBundledServer({ tasks: [echo] })
    const { tasks } = server.app
    const done = await tasks.createTasks(Array.from({ length: 20 }, () => ({ task: echo, params: { a: 1 } })))
    await Promise.all(done.map(({ taskId }) => tasks.waitFor(taskId, { timeoutMs: 10_000 })))
    const runAt = new Date(Date.now() + 3_600_000)
    const pending = await tasks.createTasks(Array.from({ length: 100 }, () => ({ task: echo, runAt })))
    taskIds = [...done, ...pending].map(({ taskId }) => taskId)
    await declareSchedules()
    await rememberSessions()
    // What is created from here on stays pending: the subject is the routes.
    server.app.taskExecutor?.beginStop()
  })
  afterAll(() => server.close())

  test(`${numRuns} random requests meet no 5xx, and every refusal says what is wrong (seed ${seed})`, async () => {
    console.log(`fuzz seed: ${seed} (FUZZ_SEED=${seed} repeats this run)`)
    const { paths } = (await server.app.inject('/docs/json')).json<{ paths: Paths }>()
    const taskType = (await server.app.tasks.listTaskTypes()).map((type) => type.taskType)
    const seen = new Map<number, number>()
    const hints = { ...SCHEDULES, taskType, taskId: taskIds, username: ['visitor'] }
    const requests = fc.asyncProperty(randomRequests(paths, hints), async (random) => {
      const answer = await ask(random)
      seen.set(answer.statusCode, (seen.get(answer.statusCode) ?? 0) + 1)
      checkAnswer(random, answer)
      if (answer.statusCode === 204) await Promise.all([restoreSessions(), declareSchedules()])
    })
    await whileServing(
      async () => (await server.asViewer({ url: '/api/admin/tasks' })).statusCode,
      () => fc.assert(requests, { seed, numRuns }),
    )
    console.log(
      `fuzz answers: ${[...seen]
        .toSorted(([left], [right]) => left - right)
        .map(([status, count]) => `${status} × ${count}`)
        .join(', ')}`,
    )
    // Requests that never get past validation would prove little.
    expect([...seen.keys()]).toEqual(expect.arrayContaining([...statuses]))
  }, 900_000)
}

/** A stream has no end: its status is all that is asked for. */
async function ask({ request, path }: RandomRequest): Promise<LightMyRequestResponse> {
  if (!path.endsWith('/events')) return server.asAdmin(request)
  const opened = await server.asAdmin({ ...request, payloadAsStream: true })
  if (opened.statusCode !== 200) return server.asAdmin(request)
  // The client has gone: what `inject` returned is not the connection.
  opened.raw.res.destroy()
  return opened
}

let sessions: object[] = []

async function rememberSessions(): Promise<void> {
  sessions = (await server.database.pool.query('select * from sessions')).rows
}

/** A log-out worked: without the session, all that follows would be 401. */
async function restoreSessions(): Promise<void> {
  await server.database.pool.query(
    `insert into sessions select * from json_populate_recordset(null::sessions, $1) on conflict do nothing`,
    [JSON.stringify(sessions)],
  )
}

/** Some are there, again after each that was deleted. */
async function declareSchedules(): Promise<void> {
  const names = SCHEDULES.name.slice(3)
  await server.app.tasks.declareSchedules(names.map((name) => ({ name, cron: '@daily', task: echo })))
}

function checkAnswer(
  { request, path, fields, statuses }: RandomRequest,
  answer: LightMyRequestResponse,
): void {
  const { statusCode } = answer
  // Its executor is stopping, and says so.
  if (path === '/health/ready' && answer.json().code === 'NOT_READY') return
  expect(statusCode, answer.body).toBeLessThan(500)
  if (statuses && !isAboutUrl(request.url)) expect([...statuses]).toContain(String(statusCode))
  if (statusCode < 400) return
  for (const leak of LEAKS) expect(answer.body, `${request.method} ${request.url}`).not.toMatch(leak)

  expect(answer.headers['content-type']).toBe('application/problem+json')
  const { status, code, errors = [] } = problem.strict().parse(answer.json())
  expect(status).toBe(statusCode)
  expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/)
  if (!VALIDATION_CODES.has(code)) return
  expect(errors.length, answer.body).toBeGreaterThan(0)
  for (const { pointer, detail } of errors) {
    expect(detail).not.toBe('')
    // Only a body that is no object at all is at fault as a whole.
    if (pointer === '') expect(detail).toMatch(/expected object/)
    else
      expect([...fields].map(toKey), `${pointer}: ${detail}`).toContain(pointer.toWellFormed().split('/')[1])
  }
}

/** The field as pointers name it: escaped, and of a long name the first 100 characters. */
function toKey(field: string): string {
  const key = field.replaceAll('~', '~0').replaceAll('/', '~1').toWellFormed()
  return key.length > 101 ? `${key.slice(0, 100)}…` : key
}

/** A path that cannot be decoded is answered before any operation is found. */
function isAboutUrl(url: string): boolean {
  return !URL.canParse(url, 'http://localhost')
}
