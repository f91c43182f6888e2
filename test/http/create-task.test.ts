import { describe, expect, test } from 'vitest'
import { LATER, useTasksServer } from './tasks-server.ts'

const { get, post, create } = useTasksServer()

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

  test('replaces a pending task when asked to, and says so', async () => {
    const body = { taskType: 'wait', uniqueKey: 'r', onDuplicate: 'replace', maxDelayMs: 7_200_000 }
    const first = await post('/tasks', { ...body, params: { days: 3 }, delayMs: 1_800_000 })
    expect([first.statusCode, first.json().created, first.json().replaced]).toEqual([201, true, false])
    const second = await post('/tasks', { ...body, params: { days: 4 }, delayMs: 86_400_000 })
    expect([second.statusCode, second.json().created, second.json().replaced]).toEqual([200, false, true])
    const { taskId, params, runAt, createdAt } = second.json()
    expect({ taskId, params }).toEqual({ taskId: first.json().taskId, params: { days: 4 } })
    expect(Date.parse(runAt) - Date.parse(createdAt)).toBe(7_200_000)
    const refused = await post('/tasks', { taskType: 'wait', onDuplicate: 'replace' })
    expect([refused.statusCode, refused.json().errors]).toEqual([
      400,
      [{ pointer: '/onDuplicate', detail: "'replace' needs a uniqueKey" }],
    ])
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
