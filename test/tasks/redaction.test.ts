import { DrizzleQueryError } from 'drizzle-orm/errors'
import { describe, expect, test } from 'vitest'
import { Redaction } from '../../src/tasks/redaction.ts'
import { createTaskRegistry } from '../../src/tasks/registry.ts'

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

describe('what an attempt says', () => {
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
