import { DrizzleQueryError } from 'drizzle-orm/errors'
import { describe, expect, test } from 'vitest'
import { PermanentError, RetryAfter } from '../../../src/engine/definition/errors.ts'
import {
  type AbortCause,
  classify,
  describeError,
  describeStack,
  type HandlerEnd,
  type Outcome,
  toStorable,
} from '../../../src/engine/definition/outcome.ts'

const limits = {
  retryCount: 0,
  maxRetries: 3,
  timeoutSeconds: 60,
  retryDelayMs: (retry: number) => 1_000 * 2 ** retry,
  scrub: (text: string) => text,
}
const noneLeft = { ...limits, retryCount: 3 }

const returned: HandlerEnd = { returned: '42' }
const threw = (thrown: unknown): HandlerEnd => ({ thrown })
const broken = threw(new Error('broken'))

type Ending = Outcome extends infer One ? (One extends unknown ? Omit<One, 'stack'> : never) : never
const fail = (error: string, as: 'failed' | 'timed_out' = 'failed'): Ending => ({ kind: 'fail', error, as })
const retry = (error: string, delayMs: number, as: 'failed' | 'timed_out' = 'failed'): Ending => {
  return { kind: 'retry', error, delayMs, as, spendsRetry: true }
}

describe('classify', () => {
  test.each<[string, HandlerEnd, AbortCause | undefined, typeof limits, Ending]>([
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
    [
      'RetryAfter that spends no retry, with none left',
      threw(new RetryAfter(5, { message: 'quota', spendRetry: false })),
      undefined,
      noneLeft,
      { kind: 'retry', error: 'quota', delayMs: 1_000, as: 'failed', spendsRetry: false },
    ],
    [
      'RetryAfter that spends no retry, beyond its least delay',
      threw(new RetryAfter(1_001, { message: 'quota', spendRetry: false })),
      undefined,
      limits,
      { kind: 'retry', error: 'quota', delayMs: 1_001, as: 'failed', spendsRetry: false },
    ],
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
    const { stack, ...rest } = { stack: undefined, ...classify(end, cause, given) }
    expect(rest).toEqual(outcome)
    const isThrown = cause === undefined && 'thrown' in end && end.thrown instanceof Error
    if ('error' in outcome)
      expect(stack).toEqual(isThrown ? expect.stringContaining('outcome.test.ts') : null)
  })

  test('asks the policy with the retries spent and what was thrown, or a TimeoutError', () => {
    const asked: [number, unknown][] = []
    const retryDelayMs = (spent: number, error: unknown) => {
      asked.push([spent, error])
      return 7
    }
    const given = { ...limits, retryCount: 2, retryDelayMs }
    expect(classify(broken, undefined, given)).toMatchObject({ kind: 'retry', delayMs: 7 })
    expect(classify(returned, 'timeout', given)).toMatchObject({ kind: 'retry', delayMs: 7 })
    expect(classify(threw(new RetryAfter(5)), undefined, given)).toMatchObject({ delayMs: 5 })
    expect(asked).toEqual([
      [2, expect.objectContaining({ message: 'broken' })],
      [2, expect.objectContaining({ name: 'TimeoutError' })],
    ])
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

describe('describeStack', () => {
  test('shows where an error and its causes were thrown', () => {
    const stack = describeStack(new TypeError('a', { cause: new Error('b') })) ?? ''
    expect(stack).toMatch(/^TypeError: a\n +at .*outcome\.test\.ts[\s\S]*\ncaused by: Error: b\n +at /)
  })

  test.each([undefined, null, 'text', { stack: 'fake' }])('is null for %j, which is no error', (thrown) => {
    expect(describeStack(thrown)).toBeNull()
  })

  test("shows no statement and no parameter of Drizzle's error", () => {
    const refused = new DrizzleQueryError('insert into t', ['secret'], new RangeError('no room'))
    for (const thrown of [refused, new Error('a', { cause: refused })]) {
      const stack = describeStack(thrown)
      expect(stack).toContain('RangeError: no room')
      expect(stack).not.toMatch(/secret|insert into/)
    }
  })

  test('is bounded, storable, and keeps room for the reason', () => {
    const long = (words: string, cause?: Error) => new Error(words.repeat(30_000), { cause })
    const stack = describeStack(long('a\u0000\ud800', long('b', new Error('the reason')))) ?? ''
    expect(stack.length).toBeLessThanOrEqual(20_000)
    expect(stack).toContain('the reason')
    expect(stack.isWellFormed() && !stack.includes('\u0000')).toBe(true)
    const own = new Error('own')
    own.cause = own
    expect(describeStack(own)?.match(/caused by/g)).toHaveLength(4)
  })
})

test('toStorable replaces what PostgreSQL refuses and nothing else', () => {
  expect(toStorable('名\n\t😀 \u0001')).toBe('名\n\t😀 \u0001')
  expect(toStorable('\u0000\ud800x\udc00')).toBe('\ufffd\ufffdx\ufffd')
})

function named(name: string): Error {
  return Object.assign(new Error('no'), { name })
}
