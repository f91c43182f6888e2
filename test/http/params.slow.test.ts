import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { type BundledServer, startBundledServer } from './bundled-server.ts'

const { task } = createTaskRegistry()
const echo = task('echo')((params) => params)

let server: BundledServer

beforeAll(async () => {
  server = await startBundledServer({ tasks: [echo] })
})
afterAll(() => server.close())

/** Sends the JSON text as it is written, so that the test sees what a client's bytes become. */
function postText(params: string) {
  return server.asAdmin({
    method: 'POST',
    url: '/api/admin/tasks',
    headers: { 'content-type': 'application/json' },
    payload: `{"taskType":"echo","params":${params}}`,
  })
}

const MEBIBYTE = 1_048_576

const values: [string, unknown][] = [
  ['a string of digits', '600519'],
  ['leading zeros', '000001'],
  ['the word true', 'true'],
  ['the word null', 'null'],
  ['the empty string', ''],
  ['a number', 600519],
  ['a fraction', 1.5e-7],
  ['the largest safe integer', Number.MAX_SAFE_INTEGER],
  ['true', true],
  ['false', false],
  ['null', null],
  ['an empty list', []],
  ['an empty object', {}],
  ['nesting', { list: [1, '1', null, { deep: [[true]] }], object: { '': 0, 'a/b': { '~': 'x' } } }],
  ['unicode', '贵州茅台 😀 \u2028 e\u0301 \u{10FFFF} \u0001'],
  ['quotes and backslashes', '"\\"\\\\\\u0000'],
  ['a date', '2019-01-01T00:00:00.000Z'],
]

describe('an integer that JavaScript cannot keep', () => {
  test.each([
    ['{"id": 9007199254740993}', '/params/id'],
    ['{"id": -9007199254740993}', '/params/id'],
    ['{"list": [1, [12345678901234567891]]}', '/params/list/1/0'],
    ['{"a/b": {"~": 9007199254740993.0}}', '/params/a~1b/~0'],
    ['{"id": 9007199254740993e0}', '/params/id'],
    ['{"id": 9.007199254740993E+15}', '/params/id'],
    ['{"id": 1e400}', '/params/id'],
    ['{"id": -1E0400}', '/params/id'],
  ])('%s is refused where it is', async (params, pointer) => {
    const refused = await postText(params)
    expect(refused.statusCode, refused.body).toBe(400)
    expect(refused.json()).toMatchObject({ code: 'INVALID_PARAMS', errors: [{ pointer }] })
  })

  test.each([
    ['9007199254740991', 9007199254740991],
    ['-9007199254740992', -9007199254740992],
    ['100000000000000000000', 1e20],
    ['1e300', 1e300],
    ['0e99999999999', 0],
    ['0.12345678901234567890123', 0.12345678901234568],
    ['9007199254740993.5', 9007199254740994],
    ['1e-400', 0],
    ['-0', 0],
    ['"9007199254740993"', '9007199254740993'],
  ])('%s is kept', async (text, value) => {
    const created = await postText(`{"value": ${text}}`)
    expect(created.statusCode, created.body).toBe(201)
    expect(created.json().params).toEqual({ value })
  })

  test('is refused in every body', async () => {
    const headers = { 'content-type': 'application/json' }
    const send = (method: 'POST' | 'PATCH', path: string, payload: string) =>
      server.asAdmin({ method, url: `/api/admin${path}`, headers, payload })
    const schedule = { name: 'large', cron: '0 0 1 1 *', taskType: 'echo', params: { id: 1 } }
    expect((await send('POST', '/schedules', JSON.stringify(schedule))).statusCode).toBe(201)
    const large = '"params": {"id": 9007199254740993}'
    const refusals = [
      await send(
        'POST',
        '/schedules',
        `{"name": "other", "cron": "0 0 1 1 *", "taskType": "echo", ${large}}`,
      ),
      await send('PATCH', '/schedules/large', `{${large}}`),
      await send('POST', '/tasks', `{"taskType": "echo", "priority": 9007199254740993}`),
      await send('POST', '/tasks/bulk', `{"action": "cancel", "taskIds": [9007199254740993]}`),
    ]
    expect(refusals.map((refused) => refused.statusCode)).toEqual([400, 400, 400, 400])
    expect(refusals.map((refused) => refused.json().errors[0].pointer)).toEqual([
      '/params/id',
      '/params/id',
      '/priority',
      '/taskIds/0',
    ])
    const { schedules } = (await server.asAdmin({ url: '/api/admin/schedules' })).json()
    expect(schedules.map(({ name, params }: typeof schedule) => ({ name, params }))).toContainEqual({
      name: 'large',
      params: { id: 1 },
    })
  })

  test('nested too deeply to be found is refused', async () => {
    const depth = 100_000
    const refused = await postText(`{"a": ${'['.repeat(depth)}9007199254740993${']'.repeat(depth)}}`)
    expect(refused.statusCode).toBe(400)
  })
})

describe('params come back as they went in', () => {
  test.each(values)('%s', async (_name, value) => {
    const created = await postText(JSON.stringify({ value, 'key 键': value }))
    expect(created.statusCode, created.body).toBe(201)
    expect(created.json().params).toEqual({ value, 'key 键': value })
    const { taskId } = created.json()
    // The handler got the same, and what it returned is kept as the same.
    expect((await server.app.tasks.waitFor(taskId, { timeoutMs: 10_000 })).status).toBe('completed')
    const detail = (await server.asAdmin({ url: `/api/admin/tasks/${taskId}` })).json()
    expect(detail.params).toEqual({ value, 'key 键': value })
    expect(detail.result).toEqual({ value, 'key 键': value })
  })

  test.each(['x', '茅', '\n'])('params of 1 MiB made of %j', async (letter) => {
    const value = letter.repeat(
      (MEBIBYTE - '""value'.length) / Buffer.byteLength(JSON.stringify(letter).slice(1, -1)),
    )
    const created = await postText(JSON.stringify({ value }))
    expect(created.statusCode, created.body.slice(0, 500)).toBe(201)
    const { taskId } = created.json()
    expect((await server.asAdmin({ url: `/api/admin/tasks/${taskId}` })).json().params).toEqual({ value })
  })
})

describe('params that cannot be stored are refused by name', () => {
  test.each([
    ['NUL in a value', '{"a":{"b":["x\\u0000"]}}', '/params/a/b/0'],
    ['NUL in a key', '{"a\\u0000":1}', '/params/a\u0000'],
    ['half a surrogate pair', '{"a":"\\ud800"}', '/params/a'],
    ['a key of 101 characters', `{"${'k'.repeat(101)}":1}`, `/params/${'k'.repeat(101)}`],
  ])('%s', async (_name, params, pointer) => {
    const answer = await postText(params)
    expect(answer.json()).toMatchObject({ status: 400, code: 'INVALID_PARAMS', errors: [{ pointer }] })
  })

  test('nesting beyond all reason', async () => {
    const answer = await postText(`{"a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`)
    expect(answer.json()).toMatchObject({ status: 400, code: 'INVALID_PARAMS' })
  })

  test('params larger than 1 MiB, and a body larger than all params may be', async () => {
    const tooLarge = await postText(JSON.stringify({ value: 'x'.repeat(MEBIBYTE + 10) }))
    expect(tooLarge.json()).toMatchObject({
      status: 400,
      code: 'INVALID_PARAMS',
      errors: [{ pointer: '/params/value' }],
    })
    const farTooLarge = await postText(JSON.stringify({ value: 'x'.repeat(3 * MEBIBYTE) }))
    expect(farTooLarge.json()).toMatchObject({ status: 413, code: 'BODY_TOO_LARGE' })
  })
})
