import type { InjectOptions } from 'fastify'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { type BundledServer, startBundledServer } from './bundled-server.ts'

const SECRET = 'Sched"ule-Secret-77'
const { task } = createTaskRegistry()
const types = [
  task('log_in', { redact: ['password', 'users.*.token', 'keys'] })(() => {}),
  task('anything')(() => {}),
  task('loose', { params: z.looseObject({}) })(() => {}),
  task('log_out', { redact: ['session'] })(() => {}),
]

let server: BundledServer

beforeAll(async () => {
  server = await startBundledServer({ tasks: types, env: { TASK_POLL_INTERVAL_MS: '60000' } })
})
afterAll(() => server.close())

const call = (method: NonNullable<InjectOptions['method']>, path: string, payload?: object) =>
  server.asAdmin({ method, url: `/api/admin${path}`, ...(payload ? { payload } : {}) })
const stored = async () =>
  (await server.database.pool.query('select task_type, params from async_task_schedules')).rows

const params = {
  password: SECRET,
  users: [{ name: 'ada', token: SECRET }],
  keys: { first: SECRET, list: [SECRET] },
  plain: 1,
}
const hidden = {
  password: '[redacted]',
  users: [{ name: 'ada', token: '[redacted]' }],
  keys: '[redacted]',
  plain: 1,
}

beforeEach(async () => {
  await server.database.pool.query('delete from async_task_schedules')
  const leak = { name: 'leak', cron: '0 3 1 1 *', taskType: 'log_in', params }
  expect((await call('POST', '/schedules', leak)).json().params).toEqual(hidden)
})

describe('a change of the type of a schedule that hides params', () => {
  test.each<[string, object, string[]]>([
    ['without params', {}, ['/params']],
    ['with the marker', { params: { stolen: 1, password: '[redacted]' } }, ['/params/password']],
    [
      'with the marker in a list',
      { params: { users: [{}, { token: '[redacted]' }] } },
      ['/params/users/1/token'],
    ],
    ['with the marker for all of an object', { params: { keys: '[redacted]' } }, ['/params/keys']],
    [
      'with the marker inside of one',
      { params: { keys: { list: ['[redacted]'] } } },
      ['/params/keys/list/0'],
    ],
    [
      'with what was shown',
      { params: hidden },
      ['/params/password', '/params/users/0/token', '/params/keys'],
    ],
  ])('%s is refused', async (_name, change, pointers) => {
    const before = await stored()
    for (const taskType of ['anything', 'loose', 'log_out']) {
      const refused = await call('PATCH', '/schedules/leak', { taskType, ...change })
      expect(refused.json()).toMatchObject({ status: 400, code: 'INVALID_PARAMS' })
      expect(refused.json().errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual(pointers)
      expect(refused.body).not.toContain('Secret-77')
    }
    expect(await stored()).toEqual(before)
  })

  test('takes new params, and brings nothing of the old ones back', async () => {
    const fresh = { taskType: 'anything', params: { stolen: 1 } }
    const changed = await call('PATCH', '/schedules/leak', fresh)
    expect([changed.statusCode, changed.json().params]).toEqual([200, { stolen: 1 }])
    const run = await call('POST', '/schedules/leak/run')
    expect([run.statusCode, run.json().params]).toEqual([201, { stolen: 1 }])
    expect(JSON.stringify(await stored())).not.toContain('Secret-77')
    // Nor on the way back.
    const back = { taskType: 'log_in', params: { password: '[redacted]' } }
    expect((await call('PATCH', '/schedules/leak', back)).json()).toMatchObject({ code: 'INVALID_PARAMS' })
  })

  test('in code is refused as well', async () => {
    const change = server.app.tasks.updateSchedule('leak', { task: 'anything' })
    await expect(change).rejects.toMatchObject({ code: 'INVALID_PARAMS' })
  })
})

test('a change within the type keeps what is shown as hidden', async () => {
  const changed = await call('PATCH', '/schedules/leak', {
    taskType: 'log_in',
    params: { ...hidden, plain: 2 },
  })
  expect([changed.statusCode, changed.json().params]).toEqual([200, { ...hidden, plain: 2 }])
  expect(JSON.parse((await stored())[0].params)).toEqual({ ...params, plain: 2 })
})

test('a type that hides nothing may change without params', async () => {
  await call('PATCH', '/schedules/leak', { taskType: 'anything', params: { plain: 1 } })
  const changed = await call('PATCH', '/schedules/leak', { taskType: 'loose' })
  expect([changed.statusCode, changed.json().params]).toEqual([200, { plain: 1 }])
})

test.each([
  [{ password: '[redacted]' }, '/params/password'],
  [{ users: [{ token: 'x' }, { token: '[redacted]' }] }, '/params/users/1/token'],
])('the marker is no value: %j', async (copied, pointer) => {
  const refusals = [
    await call('POST', '/tasks', { taskType: 'log_in', params: copied }),
    await call('POST', '/schedules', { name: 'copy', cron: '@daily', taskType: 'log_in', params: copied }),
  ]
  for (const refused of refusals) {
    expect(refused.json()).toMatchObject({ status: 400, code: 'INVALID_PARAMS', errors: [{ pointer }] })
  }
  const elsewhere = { taskType: 'log_in', params: { note: '[redacted]' } }
  expect((await call('POST', '/tasks', elsewhere)).statusCode).toBe(201)
})
