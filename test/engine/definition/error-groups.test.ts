import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  ErrorCounts,
  errorGroupOf,
  groupIdOf,
  maskError,
} from '../../../src/engine/definition/error-groups.ts'

describe('a masked error', () => {
  test.each([
    ['invoice INV-17 has no address', 'invoice INV-# has no address'],
    ['HTTP 503 after 1,250.5 ms', 'HTTP # after # ms'],
    ['connect ECONNREFUSED 10.0.0.17:5432', 'connect ECONNREFUSED #:#'],
    ['no user \'Ada\' and no file "a/b.csv"', "no user '…' and no file '…'"],
    ["no 'o'clock' but 'a' or 'b'", "no '…' but '…' or '…'"],
    ["can't read the user's file", "can't read the user's file"],
    ['at 2026-11-29T15:42:41.123Z, due 2026-11-30', 'at <date>, due <date>'],
    ['order 018f3c2e-7a3b-7c4d-8e5f-1234567890ab is gone', 'order <id> is gone'],
    ['task_019ad2f1c2b37c4d8e5f1234567890ab not found', '<id> not found'],
    ['commit a1b2c3d4 differs', 'commit <id> differs'],
    ['ada.l+x@mail.example.org bounced', '<id> bounced'],
    ['two\n  lines\t', 'two lines'],
    ['TypeError: x is undefined', 'TypeError: x is undefined'],
    ['', ''],
  ])('of %j is %j', (error, masked) => {
    expect(maskError(error)).toBe(masked)
  })

  test('is storable and bounded, whatever was thrown, and quick for hostile texts', () => {
    const texts = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 3_000 }),
      fc
        .constantFrom("'", '"', 'a-', '1-', 'a.', '_', 'a@', '2026-', '0:', '😀')
        .map((part) => part.repeat(5_000)),
    )
    fc.assert(
      fc.property(texts, (text) => {
        const masked = maskError(text)
        expect(masked.length).toBeLessThanOrEqual(300)
        expect(masked.isWellFormed()).toBe(true)
        expect(masked).not.toContain('\u0000')
      }),
    )
  })
})

test('errors of two types are two groups, and those that differ in a number are one', () => {
  expect(errorGroupOf('a', 'row 1 is bad')).toBe(errorGroupOf('a', 'row 27 is bad'))
  expect(errorGroupOf('a', 'row 1 is bad')).not.toBe(errorGroupOf('b', 'row 1 is bad'))
  expect(errorGroupOf('a', 'row 1 is bad')).not.toBe(errorGroupOf('a', 'row 1 is worse'))
})

test('counts hold a bounded number of messages; the others of each type are counted together', () => {
  const counts = new ErrorCounts()
  const word = (n: number) => [...String(n)].map((digit) => 'abcdefghij'[Number(digit)]).join('')
  for (let n = 0; n < 5_000; n += 1) counts.add('noisy', `task_${n}`, `no ${word(n)}`)
  counts.add('calm', 'task_x', 'late')
  const groups = counts.list()
  expect(groups).toHaveLength(102)
  expect(groups.reduce((total, { count }) => total + count, 0)).toBe(5_001)
  const rest = groups.filter(({ message }) => message === '')
  expect(rest).toEqual([
    expect.objectContaining({
      groupId: groupIdOf('noisy', ''),
      taskType: 'noisy',
      count: 4_900,
      taskId: 'task_4999',
    }),
    expect.objectContaining({ groupId: groupIdOf('calm', ''), taskType: 'calm', count: 1, sample: 'late' }),
  ])
})
