import { describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { FollowUpTask } from '../../../src/engine/definition/task-reference.ts'

const refused = (message: string) =>
  expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(message) })

describe('onFailed', () => {
  test.each([
    [
      (() => {}) as unknown,
      "task('a'): onFailed must be a handler that was passed to task(): an unnamed function",
    ],
    ['b', 'onFailed must be a handler that was passed to task(): expected a handler'],
    [
      null,
      'onFailed must be a handler that was passed to task(): expected a handler that was passed to task(), got null',
    ],
  ])('must be a handler: %o is refused', (onFailed, message) => {
    const { task } = createTaskRegistry()
    expect(() => task('a', { onFailed: onFailed as FollowUpTask })).toThrow(refused(message))
  })

  test('must not name its own type, nor lead back to it', () => {
    const { task, add } = createTaskRegistry()
    const handler = () => {}
    const a = task('a')(handler)
    expect(() => task('a', { onFailed: a })(handler)).toThrow(refused("must not lead back to 'a' (a → a)"))
    const b = task('b', { onFailed: a })(() => {})
    expect(() => task('a', { onFailed: b })(handler)).toThrow(
      refused("must not lead back to 'a' (a → b → a)"),
    )
    // Of another registry, under the same names.
    const other = createTaskRegistry()
    const otherA = other.task('a', { onFailed: other.task('b')(() => {}) })(handler)
    expect(() => add(otherA)).toThrow(refused('must not lead back to'))
  })

  test('must not need a function of its type: the database creates the task', () => {
    const { task } = createTaskRegistry()
    const keyed = task('keyed', { concurrencyKey: () => 'k' })(() => {})
    expect(() => task('a', { onFailed: keyed })).toThrow(refused("without concurrencyKey, which 'keyed' has"))
  })

  test('of a handler of several types is the one that the registry has', () => {
    const first = createTaskRegistry()
    const handler = () => {}
    const named = first.task('one')(handler)
    createTaskRegistry().task('two')(handler)
    const failing = first.task('a', { onFailed: named })(() => {})
    expect(first.definitions().get('a')?.followUp?.type).toBe('one')
    expect(failing).toBeTypeOf('function')
    expect(() => createTaskRegistry().task('a', { onFailed: named })).toThrow(
      refused('must be a handler of one type, got a handler of one, two'),
    )
  })
})
