import vm from 'node:vm'
import { DrizzleQueryError } from 'drizzle-orm/errors'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { codeOf, isOutage, isTransient } from '../../../../src/db/errors.ts'
import { PermanentError, RetryAfter, TaskError } from '../../../../src/engine/definition/errors.ts'
import {
  describeError,
  describeStack,
  isPermanent,
  retryDelayOf,
} from '../../../../src/engine/definition/outcome.ts'
import { packError } from '../../../../src/engine/executor/thread/protocol.ts'
import { unpackError } from '../../../../src/engine/executor/thread/unpack-error.ts'
import { toProblem } from '../../../../src/http/problems.ts'
import { described } from '../../../../src/telemetry/described.ts'
import { thrownValues } from './odd-values.ts'

test('reading what was thrown never throws, and what it gives is bounded', () => {
  const property = fc.property(thrownValues(), (make) => {
    const thrown = make()
    expect(describeError(thrown)).toMatch(/\S/)
    expect(describeError(thrown).length).toBeLessThanOrEqual(10_000)
    expect(describeStack(thrown)?.length ?? 0).toBeLessThanOrEqual(20_000)
    expect(JSON.stringify(described(thrown)).length).toBeLessThanOrEqual(70_000)
    expect(structuredClone(packError(thrown))).toBeDefined()
    expect(describeError(unpackError(packError(thrown)))).toMatch(/\S/)
    expect(toProblem(thrown).status).toBeGreaterThanOrEqual(400)
    for (const judge of [codeOf, isOutage, isTransient, isPermanent, retryDelayOf]) judge(thrown)
  })
  fc.assert(property, { numRuns: 1_000, endOnFailure: true })
})

describe('an error keeps its words', () => {
  class Refused extends Error {
    readonly query = 'boots'
    readonly params = { page: 1 }
  }
  const own = (properties: object) => Object.assign(new Error('x'), properties)

  test.each<[string, unknown, string]>([
    ['of another realm', vm.runInNewContext('new TypeError("over there")'), 'TypeError: over there'],
    ['with a query and params of its own', new Refused('no hits'), 'no hits'],
    [
      'in a rejected Promise.any',
      new AggregateError([new Error('a'), new TypeError('b')], 'All promises were rejected'),
      'AggregateError: All promises were rejected (a; TypeError: b)',
    ],
    [
      'in a large aggregate, the first ones',
      new AggregateError(Array.from('abcde', (word) => new Error(word))),
      'AggregateError (a; b; c; and 2 more)',
    ],
    [
      'when a disposal fails, too',
      Object.assign(own({ name: 'SuppressedError', message: 'both' }), {
        error: new Error('second'),
        suppressed: new Error('first'),
      }),
      'SuppressedError: both (second; first)',
    ],
    ['when its message is an object', own({ message: { reason: 'full' } }), '{"reason":"full"}'],
    ['when its message is gone', own({ message: undefined }), 'Error'],
    ['when its name is no text', own({ name: 7, message: 'seven' }), 'seven'],
    [
      'inside an object',
      { err: new TypeError('inside') },
      'thrown: {"err":{"name":"TypeError","message":"inside"}}',
    ],
    [
      'inside an object, whatever its toJSON gives',
      { err: Object.assign(new Error('inside'), { toJSON: () => ({ stack: 'at server.ts:1' }) }) },
      'thrown: {"err":{"name":"Error","message":"inside"}}',
    ],
    ['when it is empty text', '', 'thrown: ""'],
    ['when it is blank text', ' \t', String.raw`thrown: " \t"`],
    ['when its name and message are blank', own({ name: ' ', message: '\n' }), 'Error'],
  ])('%s', (_what, thrown, text) => {
    expect(describeError(thrown)).toBe(text)
  })

  test('of each error of an aggregate, with its stack', () => {
    const thrown = new AggregateError([new Error('a'), new TypeError('b')], 'both')
    expect(describeStack(thrown)).toMatch(/AggregateError: both[\s\S]*Error: a\n[\s\S]*TypeError: b\n/)
    expect(described(thrown).error).toMatchObject({ message: 'both (a; TypeError: b)' })
  })

  test("but of Drizzle's the reason alone, also where that leads back to it", () => {
    const query = new DrizzleQueryError('select $1', ['secret'])
    query.cause = query
    expect(describeError(query)).toBe('the database refused a statement')
    expect(described(query)).toMatchObject({ error: { message: 'the database refused a statement' } })
  })
})

test('what a thread throws arrives with its code, its class and its inner errors', () => {
  class Quota extends PermanentError {}
  const renamed = Object.assign(new Quota('used up'), { name: 'Quota' })
  const sent = (thrown: unknown) => unpackError(structuredClone(packError(thrown)))
  expect(sent(renamed)).toMatchObject({ name: 'Quota', message: 'used up' })
  expect(isPermanent(sent(renamed))).toBe(true)
  expect(retryDelayOf(sent(new RetryAfter(7)))).toBe(7)
  expect(sent(new TaskError('TASK_LOST', 'gone'))).toBeInstanceOf(TaskError)
  expect(sent(Object.assign(new Error('a'), { code: 'E1', cause: 'why' }))).toMatchObject({
    code: 'E1',
    cause: 'why',
  })
  expect(sent(new AggregateError([new Error('a')]))).toMatchObject({ errors: [{ message: 'a' }] })
  expect(describeError(sent(new SuppressedError(new Error('a'), new Error('b'), 'both')))).toBe(
    'SuppressedError: both (a; b)',
  )
  expect(sent('text')).toBe('text')
})

test('the code of a database error is found behind its causes and inside an aggregate', () => {
  const refused = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
  let wrapped: Error = new AggregateError([refused])
  for (let i = 0; i < 8; i += 1) wrapped = new Error('wrapped', { cause: wrapped })
  expect(codeOf(wrapped)).toBe('ECONNREFUSED')
  expect(isOutage(wrapped)).toBe(true)
  const self = new Error('self')
  self.cause = self
  expect([codeOf(self), isOutage(self), isTransient(self)]).toEqual([undefined, false, false])
})
