import { DrizzleQueryError } from 'drizzle-orm/errors'
import { describe, expect, test } from 'vitest'
import { PermanentError, RetryAfter } from '../../src/tasks/errors.ts'
import {
  type AbortCause,
  classify,
  describeError,
  type HandlerEnd,
  type Outcome,
  toStorable,
} from '../../src/tasks/outcome.ts'

const limits = { retryCount: 0, maxRetries: 3, retryBaseMs: 1_000, timeoutSeconds: 60 }
const noneLeft = { ...limits, retryCount: 3 }

const returned: HandlerEnd = { returned: '42' }
const threw = (thrown: unknown): HandlerEnd => ({ thrown })
const broken = threw(new Error('broken'))

const fail = (error: string, as: 'failed' | 'timed_out' = 'failed'): Outcome => ({ kind: 'fail', error, as })
const retry = (error: string, delayMs: number, as: 'failed' | 'timed_out' = 'failed'): Outcome => {
  return { kind: 'retry', error, delayMs, as }
}

describe('classify', () => {
  test.each<[string, HandlerEnd, AbortCause | undefined, typeof limits, Outcome]>([
    ['returned', returned, undefined, limits, { kind: 'complete', result: '42' }],
    ['returned nothing', { returned: null }, undefined, limits, { kind: 'complete', result: null }],
    ['returned with no retry left', returned, undefined, noneLeft, { kind: 'complete', result: '42' }],

    ['threw for the first time', broken, undefined, limits, retry('broken', 1_000)],
    ['threw for the second time', broken, undefined, { ...limits, retryCount: 1 }, retry('broken', 2_000)],
    ['threw for the third time', broken, undefined, { ...limits, retryCount: 2 }, retry('broken', 4_000)],
    ['threw with no retry left', broken, undefined, noneLeft, fail('broken')],
    ['threw where none is allowed', broken, undefined, { ...limits, maxRetries: 0 }, fail('broken')],
    ['threw after maxRetries was lowered', broken, undefined, { ...noneLeft, maxRetries: 1 }, fail('broken')],
    ['threw undefined', threw(undefined), undefined, limits, retry('thrown: undefined', 1_000)],

    ['PermanentError', threw(new PermanentError('never')), undefined, limits, fail('never')],
    ['one of another copy of the package', threw(named('PermanentError')), undefined, limits, fail('no')],
    ['RetryAfter', threw(new RetryAfter(5_000, 'quota')), undefined, limits, retry('quota', 5_000)],
    ['RetryAfter at once', threw(new RetryAfter(0, 'now')), undefined, limits, retry('now', 0)],
    ['RetryAfter beyond an hour', threw(new RetryAfter(1e8, 'x')), undefined, limits, retry('x', 1e8)],
    ['RetryAfter with no retry left', threw(new RetryAfter(5, 'quota')), undefined, noneLeft, fail('quota')],
    [
      'RetryAfter of another copy',
      threw(Object.assign(named('RetryAfter'), { delayMs: 5_000 })),
      undefined,
      limits,
      retry('no', 5_000),
    ],
    [
      'a foreign RetryAfter without a usable delay',
      threw(Object.assign(named('RetryAfter'), { delayMs: 'soon' })),
      undefined,
      limits,
      retry('no', 1_000),
    ],

    ['timed out, returned', returned, 'timeout', limits, retry('timed out after 60 s', 1_000, 'timed_out')],
    ['timed out, threw', broken, 'timeout', limits, retry('timed out after 60 s', 1_000, 'timed_out')],
    ['timed out for good', broken, 'timeout', noneLeft, fail('timed out after 60 s', 'timed_out')],
    [
      'timed out, then PermanentError',
      threw(new PermanentError('never')),
      'timeout',
      limits,
      retry('timed out after 60 s', 1_000, 'timed_out'),
    ],

    ['cancelled, returned', returned, 'cancelled', limits, { kind: 'abandon' }],
    ['cancelled, threw', broken, 'cancelled', limits, { kind: 'abandon' }],
    ['lost, returned', returned, 'lost', limits, { kind: 'abandon' }],
    ['lost, threw', broken, 'lost', noneLeft, { kind: 'abandon' }],
    ['shut down, returned', returned, 'shutdown', limits, { kind: 'release' }],
    ['shut down, threw', broken, 'shutdown', noneLeft, { kind: 'release' }],
    ['shut down, PermanentError', threw(new PermanentError('x')), 'shutdown', limits, { kind: 'release' }],
  ])('%s', (_what, end, cause, given, outcome) => {
    expect(classify(end, cause, given)).toEqual(outcome)
  })
})

describe('describeError', () => {
  const cyclic = { self: {} }
  cyclic.self = cyclic
  const ownCause = new Error('a')
  ownCause.cause = ownCause

  test.each<[string, unknown, string]>([
    ['an error', new Error('broken'), 'broken'],
    ['its type, where that says something', new TypeError('x is not y'), 'TypeError: x is not y'],
    ['its causes', new Error('a', { cause: new RangeError('b', { cause: 'c' }) }), 'a: RangeError: b: c'],
    ['an error without words', new Error(''), 'Error'],
    ['a string', 'just text', 'just text'],
    ['null', null, 'thrown: null'],
    ['an object', { code: 7 }, 'thrown: {"code":7}'],
    ['a symbol', Symbol('s'), 'thrown: Symbol(s)'],
    ['a cycle', cyclic, 'thrown: a value of type object'],
    ['a BigInt', 1n, 'thrown: a value of type bigint'],
    ['an error that causes itself', ownCause, 'a: a: a: a: a'],
    ['text that PostgreSQL cannot keep', new Error('a\u0000b\ud800'), 'a\ufffdb\ufffd'],
  ])('says %s', (_what, thrown, text) => {
    expect(describeError(thrown)).toBe(text)
  })

  const refused = new DrizzleQueryError('insert into t', ['secret'], new RangeError('no room'))

  test.each<[string, unknown, string]>([
    ['thrown as it is', refused, 'RangeError: no room'],
    ['as a cause', new Error('a', { cause: refused }), 'a: RangeError: no room'],
    ['without a reason', new DrizzleQueryError('insert', ['secret']), 'the database refused a statement'],
  ])("tells no statement and no parameter of Drizzle's error %s", (_what, thrown, text) => {
    expect(describeError(thrown)).toBe(text)
  })

  test('has room for the reason behind long words', () => {
    const long = (words: string, cause?: Error) => new Error(words.repeat(9_000), { cause })
    const text = describeError(long('a', long('b', long('c', long('d', new Error('the reason'))))))
    expect(text.length).toBeLessThan(10_000)
    expect(text.endsWith(': the reason')).toBe(true)
  })

  test('ends after some 2,000 characters, as text that can be stored', () => {
    const text = describeError(new Error('😀'.repeat(9_000)))
    expect(text.length).toBe(1_998)
    expect(describeError(`x${'😀'.repeat(9_000)}`).isWellFormed()).toBe(true)
  })

  test('names no file of the server', () => {
    expect(describeError(new Error('a', { cause: new Error('b') }))).not.toContain('.ts')
  })
})

test('toStorable replaces what PostgreSQL refuses and nothing else', () => {
  expect(toStorable('名\n\t😀 \u0001')).toBe('名\n\t😀 \u0001')
  expect(toStorable('\u0000\ud800x\udc00')).toBe('\ufffd\ufffdx\ufffd')
})

function named(name: string): Error {
  return Object.assign(new Error('no'), { name })
}
