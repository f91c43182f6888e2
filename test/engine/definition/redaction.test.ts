import { inspect } from 'node:util'
import { DrizzleQueryError } from 'drizzle-orm/errors'
import { describe, expect, test } from 'vitest'
import { REDACTED } from '../../../src/engine/definition/redacted-paths.ts'
import { Redaction } from '../../../src/engine/definition/redaction.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { readThrown } from '../../../src/engine/definition/thrown.ts'
import { described } from '../../../src/telemetry/described.ts'

const { task, definitions } = createTaskRegistry()
task('pay', { redact: ['card.number', 'users.*.token'] })(() => undefined)

const redaction = new Redaction(['password'], definitions())
const store = (params: Record<string, unknown>) =>
  Object.fromEntries(Object.entries(params).map(([key, value]) => [key, JSON.stringify(value)]))
const scrubber = (params: Record<string, unknown>, type = 'pay') => {
  const found = redaction.scrubberFor(type, store(params))
  if (!found) throw new Error('something is to be hidden here')
  return found
}

describe('a task', () => {
  const params = {
    password: 'hunter22',
    card: { number: '4111', holder: 'Ada' },
    users: [{ token: 'abcdef', id: 1 }, { id: 2 }, { token: null }],
    number: '4111',
  }

  test("is shown without the values at the plugin's paths and its type's", () => {
    expect(redaction.hide({ taskType: 'pay', params } as never)).toEqual({
      taskType: 'pay',
      params: {
        password: '[redacted]',
        card: { number: '[redacted]', holder: 'Ada' },
        users: [{ token: '[redacted]', id: 1 }, { id: 2 }, { token: '[redacted]' }],
        number: '4111',
      },
    })
    expect(params.card.number).toBe('4111')
  })

  test("of another type hides the plugin's alone, and one without secrets is what it was", () => {
    expect(redaction.hide({ taskType: 'other', params } as never)).toMatchObject({
      params: { password: '[redacted]', card: params.card, users: params.users },
    })
    const plain = { taskType: 'pay', params: { card: 'none', users: {} } } as never
    expect(redaction.hide(plain)).toEqual(plain)
    expect(new Redaction([], new Map()).scrubberFor('other', {})).toBeUndefined()
  })
})

describe('what an attempt logs and reports', () => {
  test('loses every text at a path, wherever it appears, the longest first', () => {
    const hidden = scrubber({ password: 'secret', card: { number: 'secret-and-more' } })
    expect(hidden.text('a secret-and-more, secretly')).toBe('a [redacted], [redacted]ly')
  })

  test('keeps what is short, or no text', () => {
    const hidden = scrubber({
      password: 'abc',
      card: { number: 42 },
      users: [{ token: { deep: ['wxyz', ''] } }],
    })
    expect(hidden.text('abc 42 wxyz')).toBe('abc 42 [redacted]')
  })

  test('loses them in the fields of a log line, and the fields at the paths themselves', () => {
    const hidden = scrubber({ password: 'hunter22' })
    const data = {
      password: 42,
      list: ['my hunter22', { at: new Date(0), hunter22: 1 }],
      gone: undefined,
      count: 7,
    }
    expect(hidden.data(data)).toEqual({
      password: '[redacted]',
      list: ['my [redacted]', { at: '1970-01-01T00:00:00.000Z', '[redacted]': 1 }],
      count: 7,
    })
    expect(hidden.data({ big: 1n })).toEqual({ unserialisable: expect.stringContaining('BigInt') })
  })

  test('loses them in errors and their causes, stacks included', () => {
    const hidden = scrubber({ password: 'hunter22' })
    const cause = new DrizzleQueryError('select $1', ['hunter22'], new RangeError('not hunter22'))
    const thrown = Object.assign(new TypeError('bad hunter22', { cause }), { code: 'E1' })
    const error = hidden.error(thrown) as TypeError & { cause: Error }
    expect(error).toMatchObject({ name: 'TypeError', message: 'bad [redacted]', code: 'E1' })
    expect(error.stack).toContain('redaction.test.ts')
    expect(error.cause).toMatchObject({ name: 'RangeError', message: 'not [redacted]' })
    expect(`${error.stack} ${error.cause.stack}`).not.toContain('hunter22')
    expect(hidden.error('hunter22!')).toBe('[redacted]!')
  })
})

describe('a secret is found', () => {
  const secret = 'p"ä\\s\ns/w+rd 7'
  const hidden = scrubber({ password: secret, card: { number: 123_456 }, users: [{ token: 'hunter22' }] })
  const base64 = (text: string) => Buffer.from(text).toString('base64')

  test.each<[string, string]>([
    ['as it is', secret],
    ['in JSON', JSON.stringify({ a: secret })],
    ['in JSON in JSON', JSON.stringify({ body: JSON.stringify({ a: secret }) })],
    ['as inspected', inspect({ a: secret })],
    ['in a URL', `https://host/?a=${encodeURIComponent(secret)}`],
    ['in a URL, in lower case', `https://host/?a=${encodeURIComponent(secret).toLowerCase()}`],
    ['in a form', new URLSearchParams({ a: secret }).toString()],
    ['in hex', Buffer.from(secret).toString('hex')],
    ['in base64', base64(secret)],
    ['in base64url', Buffer.from(secret).toString('base64url')],
    ...['u', 'us', 'ada', 'user'].map((name): [string, string] => [
      `in the Basic authorization of ${name}`,
      `Basic ${base64(`${name}:${secret}`)}`,
    ]),
  ])('%s', (_what, text) => {
    expect(text).not.toContain(REDACTED)
    expect(hidden.text(`before ${text} behind`)).toMatch(/^before .*\[redacted\].* behind$/s)
    expect(hidden.text(text)).not.toMatch(/rd|cmQ|Mgcm|7264|72642037/)
  })

  test('as a number of 4 or more digits, and not within another one', () => {
    expect(hidden.text('pin 123456, -123456. or 1234567')).toBe('pin [redacted], -[redacted]. or 1234567')
    expect(hidden.data({ a: 123_456, b: [-123_456], c: 1_234_567, d: 'no 123456' })).toEqual({
      a: '[redacted]',
      b: ['[redacted]'],
      c: 1_234_567,
      d: 'no [redacted]',
    })
  })

  test('in thrown objects, messages that are no text, codes, and inner errors', () => {
    const thrown = [
      { password: 42, note: secret },
      Object.assign(new Error('x'), { message: { secret } }),
      Object.assign(new Error('x'), { code: 'hunter22', name: 'hunter22' }),
      new AggregateError([new Error(secret)], 'all', { cause: { secret } }),
      Symbol(secret),
      [secret],
      { err: new Error(secret) },
      { err: Object.assign(new Error('x'), { toJSON: () => ({ secret }) }), password: 42, secret },
    ]
    for (const one of thrown) {
      const read = readThrown(one, hidden)
      expect(JSON.stringify(read)).toContain(REDACTED)
      expect(JSON.stringify(read)).not.toMatch(/w\+rd|hunter|42/)
    }
    expect(readThrown({ err: new TypeError('inside') }, hidden).message).toBe(
      'thrown: {"err":{"name":"TypeError","message":"inside"}}',
    )
    expect(
      JSON.stringify(described(Object.assign(new Error('x'), { code: 'hunter22' }), hidden)),
    ).not.toContain('hunter')
  })

  test('in a text that is cut within it', () => {
    const long = scrubber({ password: `${'s'.repeat(3_000)}!`, card: {}, users: [] })
    const text = `${'s'.repeat(3_000)}! `.repeat(40)
    expect(readThrown(new Error(text), long).message).not.toContain('ss')
    const named = Object.assign(new Error('x'), { name: `${'n'.repeat(190)}hunter22-and-more` })
    Object.assign(named, { code: named.name })
    expect(JSON.stringify(readThrown(named, scrubber({ password: 'hunter22-and-more' })))).not.toContain(
      'hunter22',
    )
  })

  test('at any depth of the params', () => {
    const depth = 20_000
    const stored = { password: `${'['.repeat(depth)}"deepest"${']'.repeat(depth)}` }
    expect(redaction.scrubberFor('pay', stored)?.text('the deepest')).toBe('the [redacted]')
  })
})

test("a task's keys and result are shown without what its params hide", () => {
  const task = {
    taskType: 'pay',
    params: { password: 'hunter22', card: { number: 123_456 } },
    concurrencyKey: 'of hunter22',
    uniqueKey: null,
    result: { echo: 'hunter22', rows: [123_456, 7], password: 'a new one' },
  }
  expect(redaction.hide(task as never)).toEqual({
    taskType: 'pay',
    params: { password: '[redacted]', card: { number: '[redacted]' } },
    concurrencyKey: 'of [redacted]',
    uniqueKey: null,
    result: { echo: '[redacted]', rows: ['[redacted]', 7], password: 'a new one' },
  })
  expect(task.concurrencyKey).toBe('of hunter22')
})
