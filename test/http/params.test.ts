import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../src/tasks/registry.ts'
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
