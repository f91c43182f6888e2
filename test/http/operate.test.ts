import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bulkAnswer } from '../../src/contract/bulk.ts'
import { taskStats } from '../../src/contract/stats.ts'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { aborted } from '../support/engine.ts'
import { type BundledServer, startBundledServer } from './bundled-server.ts'

const { task } = createTaskRegistry()
const wait = task('wait')((_params, { signal }) => aborted(signal))
const echo = task('echo')((params) => params)
const stepped = task('stepped')(async (_params, ctx) => {
  for (const name of ['a', 'b', 'c']) await ctx.step(name, () => name)
})

let server: BundledServer

beforeAll(async () => {
  server = await startBundledServer({ tasks: [wait, echo, stepped] })
})
afterAll(() => server.close())

const bulk = (payload: object | string) =>
  server.asAdmin({
    method: 'POST',
    url: '/api/admin/tasks/bulk',
    payload,
    headers: { 'content-type': 'application/json' },
  })

describe('POST /tasks/bulk', () => {
  test('cancels running tasks, whose signals abort, and answers for each', async () => {
    const { tasks } = server.app
    const running = await tasks.createTasks([{ task: wait }, { task: wait }])
    const done = await tasks.createTask(echo, {}, { priority: 100 })
    for (const { taskId } of running) {
      await expect.poll(async () => (await tasks.getTask(taskId))?.status).toBe('running')
    }
    const taskIds = [...running.map(({ taskId }) => taskId), 'task_none']
    const answer = await bulk({ action: 'cancel', taskIds })
    expect(answer.statusCode).toBe(200)
    expect(bulkAnswer.strict().parse(answer.json())).toEqual({
      results: [
        { taskId: taskIds[0], ok: true },
        { taskId: taskIds[1], ok: true },
        { taskId: 'task_none', ok: false, code: 'TASK_NOT_FOUND' },
      ],
      more: false,
    })
    // Their slots are free again: the handlers have heard.
    expect((await tasks.waitFor(done.taskId, { timeoutMs: 20_000 })).status).toBe('completed')
  })

  test('takes a filter as the list does, and a dry run', async () => {
    const { tasks } = server.app
    const runAt = new Date('2999-01-01T00:00:00Z')
    const created = await tasks.createTasks(Array.from({ length: 3 }, () => ({ task: echo, runAt })))
    const createdAfter = new Date(Math.min(...created.map((one) => one.createdAt.getTime()))).toISOString()
    const filter = { status: 'pending', taskType: 'echo', createdAfter }
    const dry = await bulk({ action: 'cancel', filter, dryRun: true })
    expect(dry.json().results).toHaveLength(3)
    expect((await bulk({ action: 'cancel', filter })).json()).toEqual(dry.json())
    expect((await bulk({ action: 'cancel', filter })).json()).toEqual({ results: [], more: false })
    const cancelled = { ...filter, status: ['cancelled'] }
    expect((await bulk({ action: 'delete', filter: cancelled })).json().results).toHaveLength(3)
  })

  test.each<[string, string, object]>([
    ['another action', '/action', { action: 'pause', taskIds: ['task_1'] }],
    ['neither tasks nor filter', '/taskIds', { action: 'cancel' }],
    ['both', '/taskIds', { action: 'cancel', taskIds: ['task_1'], filter: {} }],
    ['a field that it does not know', '/task', { action: 'cancel', taskIds: ['task_1'], task: 1 }],
    ['a filter that it does not know', '/filter/type', { action: 'delete', filter: { type: 'echo' } }],
    ['a page', '/filter/page', { action: 'delete', filter: { page: 2 } }],
    ['no time', '/filter/createdAfter', { action: 'delete', filter: { createdAfter: 'soon' } }],
    ['1,001 tasks', '/taskIds', { action: 'delete', taskIds: Array.from({ length: 1_001 }, () => 'task_1') }],
  ])('refuses %s', async (_what, pointer, payload) => {
    const answer = await bulk(payload)
    expect(answer.statusCode).toBe(400)
    expect(answer.json().errors).toEqual([{ pointer, detail: expect.any(String) }])
  })

  test('takes a thousand ids at their longest, and no body that is larger', async () => {
    const longest = Array.from({ length: 1_000 }, (_, i) => `task_${'x'.repeat(41)}${1_000 + i}`)
    const escaped = JSON.stringify({ action: 'cancel', taskIds: longest }).replaceAll('x', '\\u0078')
    const answer = await bulk(escaped)
    expect(answer.statusCode).toBe(200)
    expect(answer.json().results).toHaveLength(1_000)
    expect((await bulk(`${escaped}${' '.repeat(400_000)}`)).statusCode).toBe(413)
  })
})

describe('GET /tasks/stats', () => {
  test('tells how the table stands, and is no task id', async () => {
    const answer = await server.asAdmin({ url: '/api/admin/tasks/stats' })
    expect(answer.statusCode).toBe(200)
    const stats = taskStats.strict().parse(answer.json())
    expect(stats.byType.map(({ taskType }) => taskType)).toEqual(['echo', 'wait'])
    expect(stats.byStatus).toMatchObject({ running: 0, completed: 1, cancelled: 2 })
    expect(stats.finishedPerMinute).toHaveLength(60)
  })

  test('tells apart how long the oldest due task has waited and the oldest that can start', async () => {
    const { tasks } = server.app
    const read = async () => (await server.asAdmin({ url: '/api/admin/tasks/stats' })).json()
    await server.asAdmin({ method: 'POST', url: '/api/admin/task-types/echo/pause' })
    const { taskId } = await tasks.createTask(echo, {}, { runAt: new Date(Date.now() - 3_600_000) })
    await expect
      .poll(read)
      .toMatchObject({ oldestDueSeconds: expect.closeTo(3_600, -3), oldestClaimableSeconds: null })
    await server.asAdmin({ method: 'POST', url: '/api/admin/task-types/echo/resume' })
    await tasks.waitFor(taskId)
    await expect.poll(read).toMatchObject({ oldestDueSeconds: null, oldestClaimableSeconds: null })
  })

  test('takes no parameters, and only GET', async () => {
    expect((await server.asAdmin({ url: '/api/admin/tasks/stats?type=echo' })).statusCode).toBe(400)
    const other = await server.asAdmin({ method: 'PUT', url: '/api/admin/tasks/stats' })
    expect(other.statusCode).toBe(405)
  })
})

test('POST /tasks/{taskId}/retry goes back to a step', async () => {
  const { tasks } = server.app
  const { taskId } = await tasks.createTask(stepped)
  const before = await tasks.waitFor(taskId, { timeoutMs: 20_000 })
  const retry = (payload: object) =>
    server.asAdmin({ method: 'POST', url: `/api/admin/tasks/${taskId}/retry`, payload })
  for (const [payload, code] of [
    [{ from: 'z' }, 'STEP_NOT_FOUND'],
    [{ from: '' }, 'INVALID_REQUEST'],
    [{ step: 'a' }, 'INVALID_REQUEST'],
  ] as const) {
    const answer = await retry(payload)
    expect([answer.statusCode, answer.json().code]).toEqual([400, code])
  }
  const answer = await retry({ from: 'b' })
  expect(answer.statusCode).toBe(200)
  const after = await tasks.waitFor(taskId, { timeoutMs: 20_000 })
  expect(after.steps.map(({ name, attempt }) => `${name} ${attempt}`)).toEqual(['a 1', 'b 2', 'c 2'])
  expect(before.steps.map(({ name, attempt }) => `${name} ${attempt}`)).toEqual(['a 1', 'b 1', 'c 1'])
  const detail = await server.asAdmin({ method: 'GET', url: `/api/admin/tasks/${taskId}` })
  expect(detail.json()).toMatchObject({ stepCount: 3, steps: [{ name: 'a' }, { name: 'b' }, { name: 'c' }] })
})
