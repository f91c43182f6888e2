import type { InjectOptions } from 'fastify'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { problem } from '../../src/contract/problem.ts'
import { MAX_SCHEDULE_PARAMS_BYTES, MAX_SCHEDULES, scheduleView } from '../../src/contract/schedule.ts'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { type BundledServer, startBundledServer } from './bundled-server.ts'

const { task } = createTaskRegistry()
const report = task('report', { params: z.strictObject({ userId: z.int() }) })(() => {})

const nightly = { name: 'nightly', cron: '0 3 * * *', taskType: 'report', params: { userId: 7 } }

let server: BundledServer

beforeAll(async () => {
  server = await startBundledServer({ tasks: [report] })
  // Deleted by a statement, it would come back.
  expect((await call('DELETE', '/schedules/backfill_of_the_day')).statusCode).toBe(204)
})
afterAll(() => server.close())
beforeEach(() => server.database.pool.query(`delete from async_task_schedules`))

const call = (method: NonNullable<InjectOptions['method']>, path: string, payload?: object) =>
  server.asAdmin({ method, url: `/api/admin${path}`, ...(payload ? { payload } : {}) })
const rows = async () =>
  (await server.database.pool.query('select * from async_task_schedules order by name')).rows

describe('POST /schedules', () => {
  test('201, where it is, and the schedule', async () => {
    const answer = await call('POST', '/schedules', { ...nightly, timeZone: 'Asia/Shanghai', missed: 'all' })
    expect(answer.statusCode).toBe(201)
    expect(answer.headers.location).toBe('/api/admin/schedules/nightly')
    expect(answer.json()).toMatchObject({
      ...nightly,
      timeZone: 'Asia/Shanghai',
      missed: 'all',
      enabled: true,
      declared: false,
      lastRunAt: null,
      lastTaskId: null,
      lastError: null,
      nextRunAt: expect.stringMatching(/T19:00:00\.000Z$/),
    })
    expect((await call('GET', String(answer.headers.location).replace('/api/admin', ''))).json()).toEqual(
      answer.json(),
    )
  })

  test.each([
    ['no name', { name: undefined }, 'INVALID_REQUEST', '/name', /string/],
    ['a wrong name', { name: 'a/b' }, 'INVALID_REQUEST', '/name', /letters, digits/],
    [
      'a wrong cron',
      { cron: '0 25 * * *' },
      'INVALID_ARGUMENT',
      '/cron',
      /"0 25 \* \* \*".*: 25.*expected five fields/,
    ],
    ['a cron that never fires', { cron: '0 0 31 2 *' }, 'INVALID_ARGUMENT', '/cron', /never fires/],
    [
      'a wrong zone',
      { timeZone: 'Shanghai' },
      'INVALID_ARGUMENT',
      '/timeZone',
      /"Shanghai".*such as Asia\/Shanghai/,
    ],
    [
      'an unknown type',
      { taskType: 'nothing' },
      'UNKNOWN_TASK_TYPE',
      '/taskType',
      /must be one of: .*report/,
    ],
    ['wrong params', { params: { userId: 'x' } }, 'INVALID_PARAMS', '/params/userId', /expected number/],
    ['params that are none', { params: [1] }, 'INVALID_PARAMS', '/params', /must be a JSON object/],
    ['a wrong policy', { missed: 'maybe' }, 'INVALID_REQUEST', '/missed', /skip/],
    ['an unknown field', { when: 'soon' }, 'INVALID_REQUEST', '/when', /not known/],
  ])('400: %s', async (_what, wrong, code, pointer, detail) => {
    const answer = await call('POST', '/schedules', { ...nightly, ...wrong })
    expect(answer.statusCode).toBe(400)
    const { errors, ...body } = problem.strict().parse(answer.json())
    expect(body.code).toBe(code)
    expect(errors).toEqual([{ pointer, detail: expect.stringMatching(detail) }])
    expect(await rows()).toEqual([])
  })

  test('400: params that are too large; 413: a body that is', async () => {
    const params = { text: 'x'.repeat(MAX_SCHEDULE_PARAMS_BYTES) }
    const answer = await call('POST', '/schedules', { ...nightly, params })
    expect(answer.json()).toMatchObject({
      status: 400,
      code: 'INVALID_PARAMS',
      errors: [{ pointer: '/params' }],
    })
    const huge = { text: 'x'.repeat(5 * MAX_SCHEDULE_PARAMS_BYTES) }
    expect((await call('POST', '/schedules', { ...nightly, params: huge })).json()).toMatchObject({
      status: 413,
      code: 'BODY_TOO_LARGE',
    })
  })

  test('409: a name that is taken, and too many', async () => {
    await call('POST', '/schedules', nightly)
    const before = await rows()
    expect((await call('POST', '/schedules', { ...nightly, cron: '@daily' })).json()).toMatchObject({
      status: 409,
      code: 'DUPLICATE_SCHEDULE',
    })
    expect(await rows()).toEqual(before)
    await server.database.pool.query(
      `insert into async_task_schedules (name, cron, time_zone, task_type, enabled)
       select 'full' || n, '@daily', 'UTC', 'report', false from generate_series(1, $1::int) n`,
      [MAX_SCHEDULES],
    )
    expect((await call('POST', '/schedules', { ...nightly, name: 'more' })).json()).toMatchObject({
      status: 409,
      code: 'TOO_MANY_SCHEDULES',
    })
  })
})

test('GET /schedules lists them by name, as the contract says', async () => {
  expect((await call('GET', '/schedules')).json()).toEqual({ schedules: [] })
  for (const name of ['b', 'a']) await call('POST', '/schedules', { ...nightly, name })
  const { schedules } = (await call('GET', '/schedules')).json<{ schedules: unknown[] }>()
  expect(schedules.map((one) => scheduleView.strict().parse(one).name)).toEqual(['a', 'b'])
  expect((await call('GET', '/schedules?page=1')).json()).toMatchObject({
    status: 400,
    code: 'INVALID_REQUEST',
  })
})

describe('PATCH /schedules/{name}', () => {
  test('200: changes what is given', async () => {
    const created = (await call('POST', '/schedules', nightly)).json()
    const off = await call('PATCH', '/schedules/nightly', { enabled: false })
    expect(off.statusCode).toBe(200)
    expect(off.json()).toEqual({
      ...created,
      enabled: false,
      nextRunAt: null,
      updatedAt: expect.any(String),
    })
    const changed = await call('PATCH', '/schedules/nightly', {
      enabled: true,
      cron: '15 4 * * *',
      taskType: 'report',
    })
    expect(changed.json()).toMatchObject({ enabled: true, nextRunAt: expect.stringMatching(/T04:15:00/) })
  })

  test.each([
    [{}, 'INVALID_REQUEST', ''],
    [{ cron: '@never' }, 'INVALID_ARGUMENT', '/cron'],
    [{ timeZone: 'UTC+1' }, 'INVALID_ARGUMENT', '/timeZone'],
    [{ taskType: 'nothing' }, 'UNKNOWN_TASK_TYPE', '/taskType'],
    [{ taskType: 'init_stocks' }, 'INVALID_PARAMS', '/params/userId'],
    [{ params: { userId: 1.5 } }, 'INVALID_PARAMS', '/params/userId'],
    [{ enabled: 'yes' }, 'INVALID_REQUEST', '/enabled'],
  ])('400: %j', async (change, code, pointer) => {
    await call('POST', '/schedules', nightly)
    const before = await rows()
    const answer = await call('PATCH', '/schedules/nightly', change)
    expect(answer.json()).toMatchObject({ status: 400, code, errors: [{ pointer }] })
    expect(await rows()).toEqual(before)
  })
})

test('DELETE /schedules/{name} removes that one', async () => {
  for (const name of ['a', 'b']) await call('POST', '/schedules', { ...nightly, name })
  expect((await call('DELETE', '/schedules/a')).statusCode).toBe(204)
  expect(await rows()).toMatchObject([{ name: 'b' }])
})

test('POST /schedules/{name}/run makes a task in the name of who asks, and leaves the schedule as it is', async () => {
  await call('POST', '/schedules', { ...nightly, enabled: false })
  const before = await rows()
  const answer = await call('POST', '/schedules/nightly/run')
  expect(answer.statusCode).toBe(201)
  const me = (await call('GET', '/auth/me')).json()
  expect(answer.json()).toMatchObject({
    created: true,
    taskType: 'report',
    params: { userId: 7 },
    createdBy: me.id ?? me.user.id,
  })
  expect(answer.headers.location).toBe(`/api/admin/tasks/${answer.json().taskId}`)
  expect((await call('GET', `/tasks/${answer.json().taskId}`)).statusCode).toBe(200)
  expect(await rows()).toEqual(before)
})

test.each([
  ['GET', '/schedules/nobody', undefined],
  ['PATCH', '/schedules/nobody', { enabled: true }],
  ['DELETE', '/schedules/nobody', undefined],
  ['POST', '/schedules/nobody/run', undefined],
  ['GET', '/schedules/%00', undefined],
  ['DELETE', '/schedules/a%2Fb', undefined],
] as const)('%s %s: 404 SCHEDULE_NOT_FOUND', async (method, path, body) => {
  expect((await call(method, path, body)).json()).toMatchObject({ status: 404, code: 'SCHEDULE_NOT_FOUND' })
})

test.each([
  ['GET', '/schedules'],
  ['POST', '/schedules'],
  ['GET', '/schedules/a'],
  ['PATCH', '/schedules/a'],
  ['DELETE', '/schedules/a'],
  ['POST', '/schedules/a/run'],
] as const)('%s %s: 401 without credentials, 403 for who is no admin', async (method, path) => {
  const request = { method, url: `/api/admin${path}` }
  expect((await server.app.inject(request)).json()).toMatchObject({ status: 401, code: 'UNAUTHENTICATED' })
  expect((await server.asUser(request)).json()).toMatchObject({ status: 403, code: 'FORBIDDEN' })
})
