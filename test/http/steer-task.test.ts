import type { InjectOptions } from 'fastify'
import { describe, expect, test } from 'vitest'
import { LATER, useTasksServer } from './tasks-server.ts'

const server = useTasksServer()
const { get, post, remove, create } = server

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
