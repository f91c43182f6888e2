import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { createTasksClient, TasksApiError, type TasksClient } from '../../src/client/index.ts'
import { bulkAnswer } from '../../src/contract/bulk.ts'
import { scheduleView } from '../../src/contract/schedule.ts'
import { taskStats } from '../../src/contract/stats.ts'
import { executorView, taskDetail, taskList, taskLogPage, taskTypeView } from '../../src/contract/task.ts'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { ADMIN, type BundledServer, startBundledServer } from '../http/bundled-server.ts'

const { task } = createTaskRegistry()
const echo = task('echo', { params: z.object({ text: z.string() }) })(({ text }, ctx) => {
  ctx.log.info(text, { at: '2020-01-01T00:00:00Z' })
  return { text, createdAt: '2020-01-01T00:00:00Z' }
})

let server: BundledServer
let client: TasksClient
let address: string

beforeAll(async () => {
  server = await startBundledServer({ tasks: [echo] })
  address = await server.app.listen({ port: 0, host: '127.0.0.1' })
  let token: string | undefined
  client = createTasksClient({ baseUrl: `${address}/api/admin/`, token: () => token })
  token = (await client.login(ADMIN)).token
})
afterAll(() => server.close())

/** What the schema makes of the same answer. */
async function decoded<S extends z.ZodType>(schema: S, url: string): Promise<z.output<S>> {
  return schema.parse((await server.asAdmin({ url: `/api/admin${url}` })).json())
}

describe('against the server', () => {
  test('it logs in, says who it is, and logs out', async () => {
    const own = createTasksClient({ baseUrl: `${address}/api/admin` })
    const { token, user } = await own.login(ADMIN)
    expect(user).toMatchObject({ username: 'admin', role: 'admin' })
    const known = createTasksClient({ baseUrl: `${address}/api/admin`, token })
    expect(await known.me()).toEqual(user)
    await known.logout()
    await expect(known.me()).rejects.toMatchObject({ status: 401, code: 'UNAUTHENTICATED' })
  })

  test('it creates, reads, lists, steers and deletes tasks, each as its schema would decode it', async () => {
    const runAt = new Date('2099-01-01T00:00:00Z')
    const later = await client.createTask({ taskType: 'echo', params: { text: 'later' }, runAt, priority: 5 })
    expect(later).toMatchObject({ created: true, status: 'pending', runAt, priority: 5 })
    expect((await client.cancelTask(later.taskId)).cancelledAt).toBeInstanceOf(Date)
    expect(await client.retryTask(later.taskId)).toMatchObject({ status: 'pending', cancelledAt: null })
    // Due by now, it runs.
    await server.app.tasks.waitFor(later.taskId)
    expect(await client.deleteTask(later.taskId)).toBeUndefined()

    const { taskId } = await client.createTask({ taskType: 'echo', params: { text: 'now' } })
    await server.app.tasks.waitFor(taskId)
    const detail = await client.getTask(taskId)
    expect(detail).toEqual(await decoded(taskDetail, `/tasks/${taskId}`))
    // What belongs to the user stays what it was, whatever it looks like.
    expect(detail.result).toEqual({ text: 'now', createdAt: '2020-01-01T00:00:00Z' })
    const query = {
      status: ['completed' as const, 'failed' as const],
      createdAfter: detail.createdAt,
      pageSize: 5,
    }
    const search = `status=completed&status=failed&createdAfter=${detail.createdAt.toISOString()}&pageSize=5`
    const list = await client.listTasks(query)
    expect(list).toEqual(await decoded(taskList, `/tasks?${search}`))
    expect(list.tasks.map((listed) => listed.taskId)).toEqual([taskId])
    const logs = await client.listLogs(taskId, { level: 'INFO' })
    expect(logs).toEqual(await decoded(taskLogPage, `/tasks/${taskId}/logs?level=INFO`))
    expect(logs.logs[0]?.data).toEqual({ at: '2020-01-01T00:00:00Z' })
  })

  test('none of the tasks is listed where none is named', async () => {
    await client.createTask({ taskType: 'echo', params: { text: 'other' } })
    for (const query of [{ taskId: [] }, { taskId: [], page: 2, pageSize: 7 }]) {
      expect(await client.listTasks(query)).toEqual(await server.app.tasks.listTasks(query))
    }
  })

  test("headers replace the client's own in any case of letters", async () => {
    const { token } = await client.login(ADMIN)
    const headers = { 'Content-Type': 'application/json', Authorization: `Bearer ${token}` }
    const own = createTasksClient({ baseUrl: `${address}/api/admin`, token: 'expired', headers })
    const { taskId } = await own.createTask({ taskType: 'echo', params: { text: 'now' } })
    expect(await server.app.tasks.waitFor(taskId)).toMatchObject({ status: 'completed' })
  })

  test('it lists types and executors', async () => {
    const types = z.object({ taskTypes: z.array(taskTypeView) })
    expect(await client.listTaskTypes()).toEqual((await decoded(types, '/task-types')).taskTypes)
    const [executor] = await client.listExecutors()
    expect(executorView.keyof().options.sort()).toEqual(Object.keys(executor ?? {}).sort())
    expect(executor?.startedAt).toBeInstanceOf(Date)
  })

  test('a refusal names its code and the fields at fault', async () => {
    const refused = client.createTask({ taskType: 'echo', params: { text: 7 } })
    await expect(refused).rejects.toBeInstanceOf(TasksApiError)
    await expect(refused).rejects.toMatchObject({
      status: 400,
      code: 'INVALID_PARAMS',
      errors: [{ pointer: '/params/text' }],
      isTransient: false,
    })
    await expect(client.getTask('a/../b?c')).rejects.toMatchObject({ status: 404, code: 'TASK_NOT_FOUND' })
  })
})

const instant = new Date('2026-01-02T03:04:05.678Z')
const schedule: z.output<typeof scheduleView> = {
  name: 'nightly',
  cron: '0 3 * * *',
  timeZone: 'UTC',
  taskType: 'echo',
  params: { at: '2020-01-01T00:00:00Z' },
  enabled: true,
  missed: 'skip',
  nextRunAt: instant,
  lastRunAt: null,
  lastTaskId: null,
  declared: false,
  lastError: null,
  createdAt: instant,
  updatedAt: instant,
}
const stats: z.output<typeof taskStats> = {
  byStatus: { pending: 1, running: 0, completed: 2, failed: 0, cancelled: 0 },
  byType: [],
  isCapped: false,
  oldestDueSeconds: 1.5,
  finishedPerMinute: [{ minute: instant, completed: 1, failed: 0, cancelled: 0 }],
}
const bulk: z.output<typeof bulkAnswer> = { results: [{ taskId: 'task_1', ok: true }], more: false }

/** A server that answers whatever is asked with this, and remembers it. */
async function startAnswering(
  answer: (url: string) => { status?: number; type?: string; body: string | Buffer },
) {
  const asked: string[] = []
  const http = createServer((request, response) => {
    let sent = ''
    request.on('data', (chunk) => {
      sent += String(chunk)
    })
    request.on('end', () => {
      asked.push(`${request.method} ${request.url} ${sent}`.trim())
      const { status = 200, type = 'application/json', body } = answer(request.url ?? '')
      response.writeHead(status, { 'content-type': type }).end(body)
    })
  })
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void http.close())
  const { port } = http.address() as AddressInfo
  return { asked, client: createTasksClient({ baseUrl: `http://127.0.0.1:${port}/ops` }) }
}

test('it changes a task that waits, and makes it due', async () => {
  const { taskId } = await client.createTask({
    taskType: 'echo',
    params: { text: 'a' },
    runAt: new Date(Date.now() + 3_600_000),
    expiresAt: new Date(Date.now() + 7_200_000),
  })
  const runAt = new Date(Date.now() + 1_800_000)
  const changed = await client.updateTask(taskId, { params: { text: 'b' }, priority: 3, runAt })
  expect(changed).toMatchObject({ params: { text: 'b' }, priority: 3, runAt, expiresAt: expect.any(Date) })
  expect(changed).toEqual(await client.getTask(taskId))
  expect((await client.runNow(taskId)).runAt.getTime()).toBeLessThan(runAt.getTime())
  await expect(client.updateTask(taskId, {})).rejects.toMatchObject({ status: 400, code: 'INVALID_REQUEST' })
  await expect(client.runNow('a/../b?c')).rejects.toMatchObject({ status: 404, code: 'TASK_NOT_FOUND' })
})

test.each<[string, (asking: TasksClient) => Promise<unknown>, string, unknown, unknown]>([
  ['stats', (asking) => asking.getStats(), 'GET /ops/tasks/stats', taskStats.encode(stats), stats],
  [
    'bulk actions',
    (asking) => asking.bulkTasks({ action: 'retry', filter: { status: ['failed'], createdBefore: instant } }),
    `POST /ops/tasks/bulk {"action":"retry","filter":{"status":["failed"],"createdBefore":"${instant.toISOString()}"}}`,
    bulkAnswer.encode(bulk),
    bulk,
  ],
  [
    'schedules',
    (asking) => asking.listSchedules(),
    'GET /ops/schedules',
    { schedules: [scheduleView.encode(schedule)] },
    [schedule],
  ],
  [
    'a new schedule',
    (asking) => asking.createSchedule({ name: 'nightly', cron: '0 3 * * *', taskType: 'echo' }),
    'POST /ops/schedules {"name":"nightly","cron":"0 3 * * *","taskType":"echo"}',
    scheduleView.encode(schedule),
    schedule,
  ],
  [
    'a change of a schedule',
    (asking) => asking.changeSchedule('a:b', { enabled: false }),
    'PATCH /ops/schedules/a%3Ab {"enabled":false}',
    scheduleView.encode(schedule),
    schedule,
  ],
])('it asks for %s', async (_what, ask, expected, answer, result) => {
  const { asked, client: asking } = await startAnswering(() => ({ body: JSON.stringify(answer) }))
  expect(await ask(asking)).toEqual(result)
  expect(asked).toEqual([expected])
})

test('it pauses and resumes types, whatever their names', async () => {
  const { asked, client: asking } = await startAnswering(() => ({ body: '{"taskType":"a b","paused":true}' }))
  expect(await asking.pauseTaskType('a b')).toMatchObject({ taskType: 'a b' })
  await asking.resumeTaskType('a/b')
  expect(asked).toEqual(['POST /ops/task-types/a%20b/pause', 'POST /ops/task-types/a%2Fb/resume'])
})

describe('an answer that is none', () => {
  test.each([
    [
      'an error page of a proxy',
      { status: 502, type: 'text/html', body: '<h1>Bad  Gateway</h1>' },
      {
        status: 502,
        code: 'UNEXPECTED_STATUS',
        message: 'answered with 502 and no problem details: <h1>Bad Gateway</h1>',
        isTransient: true,
      },
    ],
    [
      'a page where JSON should be',
      { type: 'text/html', body: '<p>log in</p>' },
      {
        code: 'INVALID_RESPONSE',
        message: 'expected JSON, got text/html: <p>log in</p>',
      },
    ],
    ['JSON that is cut off', { body: '{"taskId":"ta' }, { code: 'INVALID_RESPONSE' }],
    ['JSON of another kind', { body: '[]' }, { code: 'INVALID_RESPONSE', message: /expected an object/ }],
    ['nothing', { body: '' }, { code: 'INVALID_RESPONSE', message: /an empty body/ }],
  ])('%s is said to be so', async (_what, answer, expected) => {
    const { client: asking } = await startAnswering(() => answer)
    const error: unknown = await asking.getTask('task_1').catch((reason: unknown) => reason)
    expect(error).toBeInstanceOf(TasksApiError)
    const { message, ...rest } = { message: /./, ...expected }
    expect(error).toMatchObject(rest)
    expect((error as Error).message).toMatch(message)
  })

  test('one that is too large is not read to its end', async () => {
    const { client: asking } = await startAnswering(() => ({ body: Buffer.alloc(40 * 1_048_576, 'x') }))
    await expect(asking.getTask('task_1')).rejects.toMatchObject({ code: 'RESPONSE_TOO_LARGE' })
  })

  test('nobody there is a network error; a signal that aborts is its own reason', async () => {
    const nobody = createTasksClient({ baseUrl: 'http://127.0.0.1:1/api/admin' })
    await expect(nobody.getTask('task_1')).rejects.toMatchObject({
      status: 0,
      code: 'NETWORK_ERROR',
      isTransient: true,
      message: expect.stringMatching(/^request failed: fetch failed: ./),
    })
    const reason = new Error('no longer wanted')
    await expect(client.listTasks({}, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
  })
})
