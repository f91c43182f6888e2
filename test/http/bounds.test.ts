import type { InjectOptions, LightMyRequestResponse } from 'fastify'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { type BundledServer, startBundledServer } from './bundled-server.ts'

/** Far deeper than the stack of anything that calls itself for each level. */
const DEPTH = 30_000
const deepObjects = (depth: number) => `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`
const deepLists = (depth: number) => `${'['.repeat(depth)}${']'.repeat(depth)}`

const { task } = createTaskRegistry()
const strict = task('strict', { params: z.strictObject({ n: z.int() }) })(() => {})
const any = task('any')(() => {})
const careful = task('careful', { redact: ['secret'], maxRetries: 0 })((_params, ctx) => {
  ctx.log.info('deep', { data: JSON.parse(deepLists(DEPTH)) })
  return JSON.parse(deepObjects(DEPTH)) as unknown
})

let server: BundledServer

beforeAll(async () => {
  server = await startBundledServer({ tasks: [strict, any, careful] })
})
afterAll(() => server.close())

const send = (method: NonNullable<InjectOptions['method']>, path: string, payload: string) =>
  server.asAdmin({
    method,
    url: `/api/admin${path}`,
    payload,
    headers: { 'content-type': 'application/json' },
  })

describe('what is wrong with a large request is said in a small response', () => {
  const MAX_BYTES = 32_000

  function expectSmall(answer: LightMyRequestResponse, statuses = [400]): void {
    expect(statuses).toContain(answer.statusCode)
    expect(Buffer.byteLength(answer.body)).toBeLessThanOrEqual(MAX_BYTES)
    const { detail, errors = [] } = answer.json<{ detail: string; errors?: { pointer: string }[] }>()
    expect(detail.length).toBeLessThanOrEqual(2_000)
    expect(errors.length).toBeLessThanOrEqual(100)
    for (const { pointer } of errors) {
      for (const key of pointer.split('/')) expect(key.length).toBeLessThanOrEqual(101)
    }
  }

  const manyKeys = (count: number, key = 'k') =>
    Object.fromEntries(Array.from({ length: count }, (_, index) => [`${key}${index}`, 1]))
  const query = (count: number) => `?${Object.keys(manyKeys(count)).join('&')}`

  test.each(['/health/live', '/health/ready', '/metrics', '/api/admin/auth/me', '/api/admin/auth/nowhere'])(
    'GET %s with 3,000 unknown keys',
    async (path) => {
      expectSmall(await server.app.inject(`${path}${query(3_000)}`), [400, 401, 404])
    },
  )

  test.each(['/tasks', '/tasks/stats', '/task-types', '/executors', '/schedules', '/tasks/task_x/logs'])(
    'GET %s with 3,000 unknown keys',
    async (path) => expectSmall(await server.asAdmin({ url: `/api/admin${path}${query(3_000)}` })),
  )

  test.each([
    ['5,000 unknown keys', manyKeys(5_000)],
    ['keys of 10,000 characters', manyKeys(5, 'x'.repeat(10_000))],
    ['keys of control characters', manyKeys(90, '\u0001'.repeat(99))],
    ['keys of other scripts', manyKeys(90, '界'.repeat(99))],
    ['keys full of slashes and tildes', manyKeys(50, '/~'.repeat(300))],
    ['keys of half a surrogate pair', manyKeys(50, '😀'.repeat(120))],
  ])('a log-in with %s', async (_name, payload) => {
    expectSmall(await server.app.inject({ method: 'POST', url: '/api/admin/auth/login', payload }))
  })

  test.each([
    ['an unknown path', `/api/admin/auth/${'\\'.repeat(7_000)}`],
    ['a path that is not UTF-8', `/api/admin/auth/${'%ff'.repeat(4_000)}`],
    ['a path of other scripts', `/${'é'.repeat(7_000)}`],
  ])('%s', async (_name, url) => expectSmall(await server.app.inject({ url }), [400, 401, 404]))

  test('an id that is none', async () => {
    expectSmall(await server.asAdmin({ url: `/api/admin/tasks/${'%00'.repeat(5_000)}` }), [404])
    expectSmall(await server.asAdmin({ url: `/api/admin/schedules/${'%22'.repeat(5_000)}` }), [404])
  })

  test.each([
    ['unknown fields', JSON.stringify({ taskType: 'strict', ...manyKeys(20_000) })],
    ['unknown params', JSON.stringify({ taskType: 'strict', params: manyKeys(20_000) })],
    ['long params', JSON.stringify({ taskType: 'strict', params: { ['x'.repeat(900_000)]: 1 } })],
    ['a long type', JSON.stringify({ taskType: 'x'.repeat(500_000) })],
    [
      'NUL far down a long path',
      JSON.stringify({
        taskType: 'any',
        params: JSON.parse(`${`{"${'y'.repeat(9_000)}":`.repeat(90)}"\\u0000"${'}'.repeat(90)}`),
      }),
    ],
  ])('a new task with %s', async (_name, payload) => expectSmall(await send('POST', '/tasks', payload)))

  test('a bulk action on 5,000 wrong ids', async () => {
    const body = { action: 'cancel', taskIds: Array.from({ length: 5_000 }, () => 1) }
    expectSmall(await send('POST', '/tasks/bulk', JSON.stringify(body)))
  })

  test('the first five are in the detail, with how many more there are', async () => {
    const answer = await server.app.inject({
      method: 'POST',
      url: '/api/admin/auth/login',
      payload: { username: 'a', password: 'b', ...manyKeys(120) },
    })
    const { detail, errors } = answer.json()
    expect(errors).toHaveLength(100)
    expect(errors[0]).toEqual({ pointer: '/k0', detail: 'is not known here' })
    expect(detail).toMatch(/^\/k0: is not known here; .*\/k4: is not known here; and \d+ more$/)
  })
})

describe('what is nested too deep', () => {
  const create = (taskType: string, params: string) =>
    `{"name":"deep","cron":"@daily","taskType":"${taskType}","params":${params}}`
  const shapes: [string, string][] = [
    ['101 objects', deepObjects(102)],
    ['2,700 objects', deepObjects(2_700)],
    ['30,000 lists', `{"a":${deepLists(DEPTH)}}`],
    ['lists in objects', `{"a":${'[{"a":'.repeat(1_500)}1${'}]'.repeat(1_500)}}`],
  ]

  test.each(shapes)('is refused in params of a schedule: %s', async (_name, params) => {
    for (const taskType of ['any', 'strict', 'careful']) {
      const refused = await send('POST', '/schedules', create(taskType, params))
      expect(refused.json()).toMatchObject({ status: 400, code: 'INVALID_PARAMS' })
    }
    await send('POST', '/schedules', create('any', '{"a":1}'))
    for (const patch of [
      `{"params":${params}}`,
      `{"taskType":"strict","params":${params}}`,
      `{"taskType":"careful","params":${params}}`,
    ]) {
      const refused = await send('PATCH', '/schedules/deep', patch)
      expect(refused.json()).toMatchObject({ status: 400, code: 'INVALID_PARAMS' })
    }
    expect((await send('GET', '/schedules/deep', '')).json().params).toEqual({ a: 1 })
    await send('DELETE', '/schedules/deep', '')
  })

  test.each(shapes)('is refused in params of a task: %s', async (_name, params) => {
    for (const taskType of ['any', 'strict', 'careful']) {
      const refused = await send('POST', '/tasks', `{"taskType":"${taskType}","params":${params}}`)
      expect(refused.json()).toMatchObject({ status: 400, code: 'INVALID_PARAMS' })
    }
  })

  test.each([
    ['POST', '/tasks/bulk', `{"action":"cancel","filter":${deepObjects(8_000)}}`],
    ['POST', '/tasks/bulk', `{"action":"cancel","taskIds":${deepLists(DEPTH)}}`],
    ['POST', '/tasks', `{"taskType":${deepLists(DEPTH)}}`],
    ['POST', '/tasks', deepLists(DEPTH)],
    ['PATCH', '/schedules/deep', `{"cron":${deepLists(DEPTH)}}`],
    ['POST', '/task-types/any/pause', deepLists(DEPTH)],
    ['POST', '/auth/login', `{"username":${deepLists(DEPTH)},"password":${deepObjects(100)}}`],
  ] as const)('is refused in any other body: %s %s', async (method, path, body) => {
    expect((await send(method, path, body)).statusCode).toBe(400)
  })

  test('is refused in code', async () => {
    const params = JSON.parse(deepObjects(8_000)) as Record<string, unknown>
    const { tasks } = server.app
    const schedule = { name: 'deep', cron: '@daily', task: 'any', params }
    await expect(tasks.createTask('any', params)).rejects.toMatchObject({ code: 'INVALID_PARAMS' })
    await expect(tasks.createTasks([{ task: 'any', params }])).rejects.toMatchObject({
      code: 'INVALID_PARAMS',
    })
    await expect(tasks.createSchedule(schedule)).rejects.toMatchObject({ code: 'INVALID_PARAMS' })
  })

  test('in a result or a log line of a handler fails its task alone, with its reason', async () => {
    const { taskId } = await server.app.tasks.createTask('careful', { secret: 'of some length' })
    const ended = await server.app.tasks.waitFor(taskId, { timeoutMs: 60_000 })
    expect(ended.status).toBe('failed')
    expect(ended.error).not.toBe('')
    expect((await send('GET', `/tasks/${taskId}`, '')).statusCode).toBe(200)
    expect((await send('GET', `/tasks/${taskId}/logs`, '')).statusCode).toBe(200)
  })
})
