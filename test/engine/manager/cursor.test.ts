import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeCursor, encodeCursor } from '../../../src/engine/manager/cursor.ts'

const LAST_MICROS = 253_402_300_799_999_999n

test('a cursor restores the position that it encodes', () => {
  const micros = fc.bigInt(0n, LAST_MICROS).map(String)
  const ids = fc.bigInt(0n, 2n ** 63n - 1n).map(String)
  fc.assert(
    fc.property(micros, ids, fc.nat(999_999_999), (createdAtMicros, id, offset) => {
      const position = { createdAtMicros, id }
      expect(decodeCursor(encodeCursor(position))).toEqual(position)
      expect(decodeCursor(encodeCursor(position, offset))).toEqual({ ...position, offset })
    }),
  )
})

test('needs no escaping in a URL', () => {
  expect(encodeCursor({ createdAtMicros: String(LAST_MICROS), id: '1' })).toMatch(/^[A-Za-z0-9_-]+$/)
})

const encode = (text: string) => Buffer.from(text).toString('base64url')

test.each([
  '',
  'x',
  '!!!!',
  '123_456',
  encode(''),
  encode('_'),
  encode('1_'),
  encode('_1'),
  encode('-1_1'),
  encode('1_-1'),
  encode('1.5_1'),
  encode('1_1\n'),
  encode(' 1_1'),
  encode('1_1_'),
  encode('1_1_-1'),
  encode(`1_1_${'9'.repeat(10)}`),
  encode('1_1_1_1'),
  encode('١_1'),
  encode(`1_${2n ** 63n}`),
  encode(`${LAST_MICROS + 1n}_1`),
  encode(`1_${'9'.repeat(20)}`),
  'A'.repeat(1_000_000),
])('%j is refused', (cursor) => {
  expect(() => decodeCursor(cursor)).toThrow(
    expect.objectContaining({
      code: 'INVALID_ARGUMENT',
      problems: [{ pointer: '/cursor', detail: expect.any(String) }],
    }),
  )
})
