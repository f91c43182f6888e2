import type { InjectOptions } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { createGate } from '../support/engine.ts'
import { type BundledServer, startBundledServer } from './bundled-server.ts'

const { task } = createTaskRegistry()
const gate = createGate()

const echo = task('echo')((params) => params)
const wait = task('wait', { params: z.strictObject({ days: z.int().min(1).default(1) }) })(() => gate.opened)
const chatty = task('chatty')((_params, ctx) => {
  for (let line = 1; line <= 5; line++) ctx.log.info(`line ${line}`)
  ctx.log.warn('last line')
})

const LATER = new Date(Date.now() + 3_600_000).toISOString()

let server: BundledServer

beforeAll(async () => {
  server = await startBundledServer({ tasks: [echo, wait, chatty] })
})
afterAll(async () => {
  gate.open()
  await server.close()
})

const get = (url: string) => server.asAdmin({ url: `/api/admin${url}` })
const post = (url: string, payload?: InjectOptions['payload']) =>
  server.asAdmin({ method: 'POST', url: `/api/admin${url}`, ...(payload === undefined ? {} : { payload }) })
const remove = (url: string) => server.asAdmin({ method: 'DELETE', url: `/api/admin${url}` })

async function create(body: Record<string, unknown>): Promise<string> {
  const answer = await post('/tasks', body)
  expect(answer.statusCode, answer.body).toBe(201)
  return answer.json<{ taskId: string }>().taskId
}

describe('creating with a unique key', () => {
  test('answers 201, then 200 with the task that has it', async () => {
    const first = await post('/tasks', {
      taskType: 'wait',
      params: { days: 3 },
      runAt: LATER,
      uniqueKey: 'k',
    })
    expect([first.statusCode, first.json().created, first.json().uniqueKey]).toEqual([201, true, 'k'])
    const second = await post('/tasks', { taskType: 'echo', uniqueKey: 'k', onDuplicate: 'return' })
    expect(second.statusCode).toBe(200)
    expect(second.json()).toEqual({ ...first.json(), created: false })
    expect(second.headers.location).toBe(first.headers.location)
  })

  test('answers 409 when asked to, and when a finished task is to have it again', async () => {
    const body = { taskType: 'wait', runAt: LATER, uniqueKey: 'mine', onDuplicate: 'reject' }
    const taskId = await create(body)
    const refused = await post('/tasks', body)
    expect(refused.statusCode).toBe(409)
    expect(refused.json()).toMatchObject({ code: 'DUPLICATE_TASK', detail: expect.stringContaining(taskId) })
    await post(`/tasks/${taskId}/cancel`)
    await create(body)
    const retried = await post(`/tasks/${taskId}/retry`)
    expect([retried.statusCode, retried.json().code]).toEqual([409, 'DUPLICATE_TASK'])
  })
})

describe('creating', () => {
  test('with delayMs makes a task that is due later by the clock of the database', async () => {
    const answer = await post('/tasks', { taskType: 'wait', delayMs: 3_600_000 })
    expect(answer.statusCode).toBe(201)
    const { runAt, createdAt } = answer.json<{ runAt: string; createdAt: string }>()
    expect(Date.parse(runAt) - Date.parse(createdAt)).toBe(3_600_000)
    const both = await post('/tasks', { taskType: 'wait', delayMs: 1, runAt: LATER })
    expect(both.statusCode).toBe(400)
    expect(both.json().errors).toEqual([{ pointer: '/delayMs', detail: 'give either runAt or delayMs' }])
  })

  test('answers 201 with Location and the pending task, in the name of who asked', async () => {
    const answer = await post('/tasks', {
      taskType: 'wait',
      params: {},
      runAt: LATER,
      priority: 7,
      maxRetries: 1,
    })
    expect(answer.statusCode).toBe(201)
    expect(answer.headers['cache-control']).toBe('no-store')
    const created = answer.json()
    expect(answer.headers.location).toBe(`/api/admin/tasks/${created.taskId}`)
    expect(created).toMatchObject({
      created: true,
      taskType: 'wait',
      status: 'pending',
      params: { days: 1 },
      progress: 0,
      percent: 0,
      runAt: LATER,
      priority: 7,
      retryCount: 0,
      maxRetries: 1,
      result: null,
      error: null,
      attempts: [],
    })
    const me = (await get('/auth/me')).json<{ user: { id: string } }>().user
    expect(created.createdBy).toBe(me.id)
    expect((await get(`/tasks/${created.taskId}`)).json()).toEqual({ ...created, created: undefined })
  })

  test('refuses a type that nobody registered', async () => {
    const answer = await post('/tasks', { taskType: 'unheard_of', params: {} })
    expect(answer.statusCode).toBe(400)
    expect(answer.json()).toMatchObject({ code: 'UNKNOWN_TASK_TYPE', errors: [{ pointer: '/taskType' }] })
  })

  test.each([
    [{ days: 'two' }, ['/params/days']],
    [{ days: 1, hours: 2 }, ['/params/hours']],
    [null, ['/params']],
    ['days', ['/params']],
    [[1], ['/params']],
  ])('refuses params %j and names what is wrong', async (params, pointers) => {
    const answer = await post('/tasks', { taskType: 'wait', params })
    expect(answer.statusCode).toBe(400)
    expect(answer.json().code).toBe('INVALID_PARAMS')
    expect(answer.json().errors.map((error: { pointer: string }) => error.pointer)).toEqual(pointers)
  })

  test('refuses an instant before there were computers', async () => {
    const answer = await post('/tasks', { taskType: 'echo', runAt: '0032-12-31T00:00:00Z' })
    expect(answer.json()).toMatchObject({ status: 400, errors: [{ pointer: '/runAt' }] })
  })

  test('refuses fields that it does not know and values out of range, each by name', async () => {
    const answer = await post('/tasks', { taskType: 'echo', params: {}, retries: 3, priority: 101, 'a/b': 1 })
    expect(answer.statusCode).toBe(400)
    const pointers = answer.json().errors.map((error: { pointer: string }) => error.pointer)
    expect(pointers.toSorted()).toEqual(['/a~1b', '/priority', '/retries'])
  })
})

describe('steering', () => {
  test('cancels a pending task, twice over, and retries it', async () => {
    const taskId = await create({ taskType: 'echo', params: {}, runAt: LATER })
    for (let time = 1; time <= 2; time++) {
      const cancelled = await post(`/tasks/${taskId}/cancel`)
      expect(cancelled.statusCode).toBe(200)
      expect(cancelled.json()).toMatchObject({ taskId, status: 'cancelled', completedAt: null })
    }
    const retried = await post(`/tasks/${taskId}/retry`)
    expect(retried.statusCode).toBe(200)
    expect(retried.json()).toMatchObject({ taskId, status: 'pending', retryCount: 0, cancelledAt: null })
  })

  test('says 409 where the status does not allow it', async () => {
    const pending = await create({ taskType: 'wait', params: {}, runAt: LATER })
    expect((await post(`/tasks/${pending}/retry`)).json()).toMatchObject({
      status: 409,
      code: 'TASK_NOT_FINISHED',
    })
    expect((await remove(`/tasks/${pending}`)).json()).toMatchObject({
      status: 409,
      code: 'TASK_NOT_FINISHED',
    })
    const done = await create({ taskType: 'echo', params: {} })
    await server.app.tasks.waitFor(done, { timeoutMs: 10_000 })
    expect((await post(`/tasks/${done}/cancel`)).json()).toMatchObject({
      status: 409,
      code: 'TASK_ALREADY_FINISHED',
    })
  })

  test('says 409 to a retry while the cancelled handler still runs', async () => {
    const taskId = await create({ taskType: 'wait', params: {} })
    await expect.poll(async () => (await get(`/tasks/${taskId}`)).json().status).toBe('running')
    expect((await post(`/tasks/${taskId}/cancel`)).json().status).toBe('cancelled')
    expect((await post(`/tasks/${taskId}/retry`)).json()).toMatchObject({
      status: 409,
      code: 'TASK_STILL_STOPPING',
    })
  })

  test('deletes a finished task', async () => {
    const taskId = await create({ taskType: 'echo', params: {}, runAt: LATER })
    await post(`/tasks/${taskId}/cancel`)
    const deleted = await remove(`/tasks/${taskId}`)
    expect([deleted.statusCode, deleted.body]).toEqual([204, ''])
    expect((await get(`/tasks/${taskId}`)).json()).toMatchObject({ status: 404, code: 'TASK_NOT_FOUND' })
  })

  test('forgives a JSON content type without a body, and refuses a body that it would ignore', async () => {
    const taskId = await create({ taskType: 'echo', params: {}, runAt: LATER })
    const url = `/api/admin/tasks/${taskId}/cancel`
    const headers = { 'content-type': 'application/json' }
    const refused = await server.asAdmin({ method: 'POST', url, payload: { reason: 'late' } })
    expect(refused.json()).toMatchObject({ status: 400, errors: [{ pointer: '/reason' }] })
    expect((await server.asAdmin({ method: 'POST', url, headers })).statusCode).toBe(200)
  })

  test.each([
    'task_1',
    'nobody',
    '..%2f..',
    '%00',
    'task_%00',
    "';drop table users;--",
    '%F0%9F%98%80',
    '%20',
    'null',
    'far too long',
  ])('answers 404 TASK_NOT_FOUND for the id %s', async (name) => {
    const id = name === 'far too long' ? 'x'.repeat(9_000) : name
    for (const answer of [
      await get(`/tasks/${id}`),
      await get(`/tasks/${id}/logs`),
      await post(`/tasks/${id}/cancel`),
      await post(`/tasks/${id}/retry`),
      await remove(`/tasks/${id}`),
    ]) {
      expect.soft(answer.json()).toMatchObject({ status: 404, code: 'TASK_NOT_FOUND' })
    }
  })
})

describe('logs', () => {
  let taskId: string
  beforeAll(async () => {
    taskId = await create({ taskType: 'chatty', params: {} })
    await server.app.tasks.waitFor(taskId, { timeoutMs: 10_000 })
  })

  test('total is the total, not the page', async () => {
    const page = (await get(`/tasks/${taskId}/logs?page=2&pageSize=2`)).json()
    expect(page).toMatchObject({ total: 6, page: 2, pageSize: 2 })
    expect(page.logs.map((line: { message: string }) => line.message)).toEqual(['line 3', 'line 4'])
    expect(page.logs[0]).toMatchObject({ level: 'INFO', attempt: 1, createdAt: expect.stringMatching(/Z$/) })
  })

  test('are filtered by level, ordered, and continued after an id', async () => {
    const warnings = (await get(`/tasks/${taskId}/logs?level=WARNING`)).json()
    expect(warnings).toMatchObject({ total: 1, logs: [{ message: 'last line' }] })
    const newest = (await get(`/tasks/${taskId}/logs?order=desc&pageSize=1`)).json()
    expect(newest).toMatchObject({ total: 6, logs: [{ message: 'last line' }] })
    const first = (await get(`/tasks/${taskId}/logs?pageSize=1`)).json().logs[0].id
    const rest = (await get(`/tasks/${taskId}/logs?afterId=${first}`)).json()
    expect(rest.logs).toHaveLength(5)
    expect((await get(`/tasks/${taskId}/logs?afterId=0`)).json().logs).toHaveLength(6)
  })

  test.each(['', '%20', '-1', '1.5', 'x', '9007199254740993'])('afterId=%s is refused', async (afterId) => {
    const refused = (await get(`/tasks/${taskId}/logs?afterId=${afterId}`)).json()
    expect(refused).toMatchObject({ code: 'INVALID_REQUEST', errors: [{ pointer: '/afterId' }] })
  })
})

test('task types come with their defaults and the JSON Schema of their params', async () => {
  const { taskTypes } = (await get('/task-types')).json()
  expect(taskTypes).toContainEqual(
    expect.objectContaining({
      taskType: 'wait',
      maxRetries: 3,
      timeoutSeconds: 14_400,
      params: expect.objectContaining({ type: 'object', properties: { days: expect.anything() } }),
    }),
  )
})

test('executors say who they are and how they do', async () => {
  await expect
    .poll(async () => (await get('/executors')).json().executors)
    .toContainEqual(expect.objectContaining({ pid: process.pid, slots: 2, alive: true }))
})

describe('a task that waits', () => {
  const patch = (taskId: string, payload: InjectOptions['payload']) =>
    server.asAdmin({
      method: 'PATCH',
      url: `/api/admin/tasks/${taskId}`,
      ...(payload === undefined ? {} : { payload }),
    })

  test('is changed by PATCH: 200 with the task, as it is read afterwards', async () => {
    const taskId = await create({ taskType: 'wait', params: { days: 3 }, runAt: LATER })
    const runAt = new Date(Date.parse(LATER) + 1_000).toISOString()
    const answer = await patch(taskId, { params: { days: 4 }, priority: 7, runAt })
    expect(answer.statusCode, answer.body).toBe(200)
    expect(answer.json()).toMatchObject({
      taskId,
      status: 'pending',
      params: { days: 4 },
      priority: 7,
      runAt,
    })
    expect(answer.json()).toEqual((await get(`/tasks/${taskId}`)).json())
    expect((await patch(taskId, { priority: 8 })).json()).toEqual({ ...answer.json(), priority: 8 })
  })

  test.each<[string, InjectOptions['payload'], string, string]>([
    ['nothing', undefined, 'INVALID_REQUEST', ''],
    ['an empty object', {}, 'INVALID_REQUEST', ''],
    ['another field', { priority: 1, maxRetries: 3 }, 'INVALID_REQUEST', '/maxRetries'],
    ['a status', { status: 'running' }, 'INVALID_REQUEST', '/status'],
    ['a wrong priority', { priority: 1.5 }, 'INVALID_REQUEST', '/priority'],
    ['null', { priority: null }, 'INVALID_REQUEST', '/priority'],
    ['no instant', { runAt: 'tomorrow' }, 'INVALID_REQUEST', '/runAt'],
    ['params that do not fit', { params: { days: 0 } }, 'INVALID_PARAMS', '/params/days'],
    ['params that are none', { params: [] }, 'INVALID_PARAMS', '/params'],
    ['unknown params', { params: { hours: 1 } }, 'INVALID_PARAMS', '/params/hours'],
    ['large params', { params: { text: 'x'.repeat(1_100_000) } }, 'INVALID_PARAMS', '/params/text'],
  ])('is not changed by %s: 400', async (_what, payload, code, pointer) => {
    const taskId = await create({ taskType: pointer === '/params/text' ? 'echo' : 'wait', runAt: LATER })
    const before = (await get(`/tasks/${taskId}`)).json()
    const answer = await patch(taskId, payload)
    expect(answer.statusCode, answer.body).toBe(400)
    expect(answer.json().code).toBe(code)
    expect(answer.json().errors).toContainEqual(expect.objectContaining({ pointer }))
    expect((await get(`/tasks/${taskId}`)).json()).toEqual(before)
  })

  test('runs now when asked to', async () => {
    const taskId = await create({ taskType: 'echo', params: { a: 1 }, runAt: LATER })
    const answer = await post(`/tasks/${taskId}/run-now`)
    expect([answer.statusCode, answer.json().status]).toEqual([200, 'pending'])
    expect(Date.parse(answer.json().runAt)).toBeLessThan(Date.parse(LATER))
    const ended = await server.app.tasks.waitFor(taskId)
    expect(ended.status).toBe('completed')
    for (const refused of [await post(`/tasks/${taskId}/run-now`), await patch(taskId, { priority: 1 })]) {
      expect([refused.statusCode, refused.json().code]).toEqual([409, 'TASK_NOT_PENDING'])
    }
    for (const unknown of [
      await post('/tasks/task_none/run-now'),
      await patch('task_none', { priority: 1 }),
    ]) {
      expect([unknown.statusCode, unknown.json().code]).toEqual([404, 'TASK_NOT_FOUND'])
    }
  })

  test('expires: expiresAt is shown, and has to leave time for a start', async () => {
    const expiresAt = new Date(Date.parse(LATER) + 5_000).toISOString()
    const taskId = await create({ taskType: 'wait', runAt: LATER, expiresAt })
    expect((await get(`/tasks/${taskId}`)).json().expiresAt).toBe(expiresAt)
    const late = await patch(taskId, { runAt: expiresAt })
    expect(late.json()).toMatchObject({
      status: 400,
      code: 'INVALID_ARGUMENT',
      errors: [{ pointer: '/runAt' }],
    })
    for (const wrong of [
      { expiresAt: '2024-01-01T00:00:00Z' },
      { expiresAt: LATER, runAt: LATER },
      { expiresAt: LATER, delayMs: 7_200_000 },
      { expiresAt: 'soon' },
      { expiresAt: null },
    ]) {
      const refused = await post('/tasks', { taskType: 'wait', ...wrong })
      expect(refused.statusCode, refused.body).toBe(400)
      expect(refused.json()).toMatchObject({ code: 'INVALID_REQUEST', errors: [{ pointer: '/expiresAt' }] })
    }
  })
})
