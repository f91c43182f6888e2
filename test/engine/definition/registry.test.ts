import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import {
  createTaskRegistry,
  defaultRegistry,
  task as defaultTask,
} from '../../../src/engine/definition/registry.ts'

describe('task()', () => {
  test.each<[object, string]>([
    [{ retry: {}, retryBaseMs: 1 }, 'give either retry or retryBaseMs'],
    [{ retry: { factor: 0 } }, 'retry.factor: '],
    [{ retry: 5 }, 'retry: '],
    [{ redact: 'password' }, 'redact must be a list of paths'],
    [{ redact: ['a..b'] }, 'redact must be a list of paths'],
  ])('refuses %j', (options, message) => {
    expect(() => createTaskRegistry().task('odd', options)(() => 1)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(message) }),
    )
  })

  test('returns the very function that it was applied to, and registers it with its options', () => {
    const registry = createTaskRegistry()
    const handler = () => 'done'
    const params = z.object({})
    const returned = registry.task('resize', { params, maxRetries: 5, timeoutSeconds: 60, priority: -3 })(
      handler,
    )
    expect(returned).toBe(handler)
    expect([...registry.definitions()]).toEqual([
      [
        'resize',
        {
          type: 'resize',
          handler,
          options: { params, maxRetries: 5, timeoutSeconds: 60, priority: -3 },
        },
      ],
    ])
  })

  test('refuses a second handler for a type and keeps the first', () => {
    const registry = createTaskRegistry()
    const { task } = registry
    const first = task('resize')(() => 1)
    const second = () => 2
    expect(() => task('resize')(second)).toThrow(
      expect.objectContaining({ code: 'DUPLICATE_TASK_TYPE', message: expect.stringContaining("'resize'") }),
    )
    expect(registry.definitions().get('resize')?.handler).toBe(first)
    // The refused function is no task: nothing of the attempt is left.
    expect(() => createTaskRegistry().add(second as never)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    )
  })

  test('may be applied again to the same function: a module may be evaluated twice', () => {
    const registry = createTaskRegistry()
    const { task } = registry
    const handler = () => 1
    task('resize', { maxRetries: 1 })(handler)
    task('resize', { maxRetries: 2 })(handler)
    expect(registry.definitions().get('resize')?.options.maxRetries).toBe(2)
    expect(registry.definitions().size).toBe(1)
  })

  test('lets one function serve several types', () => {
    const registry = createTaskRegistry()
    const handler = () => 1
    registry.task('one')(handler)
    const both = registry.task('two')(handler)
    const other = createTaskRegistry()
    other.add(both)
    expect([...other.definitions().keys()]).toEqual(['one', 'two'])
  })

  test.each(['_a', '-a', '.a', ':a'])('says of the type %j that its first character is wrong', (type) => {
    expect(() => createTaskRegistry().task(type)(() => 1)).toThrow(/, the first a letter or digit$/)
  })

  test.each(['', ' ', 'a b', '-a', '.a', 'ä', 'a/b', 'a\n', 'a\u0000', 'x'.repeat(101)])(
    'refuses the type %j',
    (type) => {
      expect(() => createTaskRegistry().task(type)(() => 1)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
      )
    },
  )

  test.each(['a', 'A9', '0', 'send_report', 'v1.mail:send-all', 'x'.repeat(100)])(
    'takes the type %j',
    (type) => {
      const registry = createTaskRegistry()
      const { task } = registry
      task(type)(() => 1)
      expect(registry.definitions().has(type)).toBe(true)
    },
  )

  test.each([
    ['timeoutSeconds', [1, 2_147_483], [0, -1, 1.5, 2_147_484, Number.NaN, '60']],
    ['maxRetries', [0, 100], [-1, 101, 0.5, Number.POSITIVE_INFINITY]],
    ['retryBaseMs', [0, 3_600_000], [-1, 3_600_001, 1.5]],
    ['priority', [-100, 0, 100], [-101, 101, 0.1]],
  ])('checks %s', (name, good, bad) => {
    for (const value of good) createTaskRegistry().task('t', { [name]: value })(() => 1)
    for (const value of bad) {
      expect(() => createTaskRegistry().task('t', { [name]: value })(() => 1), String(value)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(name) }),
      )
    }
  })

  test('refuses what is no function', () => {
    for (const value of [undefined, null, 'resize', {}]) {
      expect(() => createTaskRegistry().task('resize')(value as never)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
      )
    }
  })

  test('without a registry registers in the default one', () => {
    const handler = defaultTask('registry.test.default')(() => 1)
    expect(defaultRegistry.definitions().get('registry.test.default')?.handler).toBe(handler)
  })
})

describe('a registry', () => {
  test('shares nothing with another', () => {
    const [one, two] = [createTaskRegistry(), createTaskRegistry()]
    one.task('resize')(() => 1)
    two.task('resize')(() => 2)
    expect(one.definitions().get('resize')?.handler).not.toBe(two.definitions().get('resize')?.handler)
    expect(defaultRegistry.definitions().has('resize')).toBe(false)
  })

  test('keeps its own options for a function that another one registers too', () => {
    const [one, two] = [createTaskRegistry(), createTaskRegistry()]
    const handler = () => 1
    one.task('resize', { maxRetries: 1 })(handler)
    two.task('resize', { maxRetries: 2 })(handler)
    expect(one.definitions().get('resize')?.options.maxRetries).toBe(1)
    expect(two.definitions().get('resize')?.options.maxRetries).toBe(2)
  })

  test('takes handlers of another, and refuses functions that are none', () => {
    const one = createTaskRegistry()
    const handler = one.task('resize', { maxRetries: 1 })(() => 1)
    const two = createTaskRegistry()
    two.add(handler, handler)
    expect(two.definitions()).toEqual(one.definitions())

    function plain() {}
    expect(() => two.add(plain as never)).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining("'plain'") }),
    )
    for (const value of [undefined, null, 'resize', {}]) {
      expect(() => two.add(value as never)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
    }
  })

  test('refuses to add another handler for a type that it has', () => {
    const [one, two] = [createTaskRegistry(), createTaskRegistry()]
    const handler = one.task('resize')(() => 1)
    two.task('resize')(() => 2)
    expect(() => two.add(handler)).toThrow(expect.objectContaining({ code: 'DUPLICATE_TASK_TYPE' }))
  })

  test('does not see later changes to the options it was given', () => {
    const registry = createTaskRegistry()
    const { task } = registry
    const options = { maxRetries: 1 }
    task('resize', options)(() => 1)
    options.maxRetries = 9
    expect(registry.definitions().get('resize')?.options.maxRetries).toBe(1)
  })
})
