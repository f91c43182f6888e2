import { expect, test } from 'vitest'
import { SettledIds } from '../../../src/engine/store/settled-ids.ts'

const quiet = { oldestXid: 100, nextXid: 100, logIsWritten: false }
/** Transaction 100 has written to the log and is in flight; 105 will be the next one. */
const busy = { oldestXid: 100, nextXid: 105, logIsWritten: true }

test('with nothing in flight an id is settled at once', () => {
  expect(new SettledIds().record(7, quiet, 0)).toBe(7)
})

test('an id waits for all that was in flight when it was first seen, and not for what came later', () => {
  const ids = new SettledIds()
  expect(ids.record(7, busy, 0)).toBeUndefined()
  expect(ids.record(9, { ...busy, oldestXid: 104, nextXid: 110 }, 250)).toBeUndefined()
  expect(ids.record(9, { ...busy, oldestXid: 105, nextXid: 112 }, 500)).toBe(7)
  expect(ids.record(9, { ...busy, oldestXid: 110, nextXid: 112 }, 750)).toBe(9)
})

test('transactions that have not written to the log hold an id back for one poll only', () => {
  const ids = new SettledIds()
  const elsewhere = { ...busy, logIsWritten: false }
  expect(ids.record(7, elsewhere, 0)).toBeUndefined()
  expect(ids.record(8, elsewhere, 250)).toBe(7)
  expect(ids.record(8, elsewhere, 500)).toBe(8)
})

test('no transaction holds an id back for more than two seconds', () => {
  const ids = new SettledIds()
  expect(ids.record(7, busy, 0)).toBeUndefined()
  expect(ids.record(8, busy, 1_999)).toBeUndefined()
  expect(ids.record(8, busy, 2_000)).toBe(7)
})

test('what is settled stays so', () => {
  const ids = new SettledIds()
  expect(ids.record(7, quiet, 0)).toBe(7)
  expect(ids.record(8, busy, 250)).toBe(7)
  expect(ids.settled).toBe(7)
})
