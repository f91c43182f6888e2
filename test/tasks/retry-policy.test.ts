import { expect, test } from 'vitest'
import { retryDelayMs } from '../../src/tasks/retry-policy.ts'

test('waits double from the base', () => {
  expect([0, 1, 2, 3].map((retry) => retryDelayMs(1_000, retry))).toEqual([1_000, 2_000, 4_000, 8_000])
})

test('waits end at an hour, however many retries there were', () => {
  const waits = Array.from({ length: 101 }, (_, retry) => retryDelayMs(1_000, retry))
  expect(waits[11]).toBe(2_048_000)
  expect(waits.slice(12)).toEqual(Array(89).fill(3_600_000))
  expect(retryDelayMs(3_600_000, 0)).toBe(3_600_000)
})

test('a base of 0 retries at once, always', () => {
  expect([0, 1, 100].map((retry) => retryDelayMs(0, retry))).toEqual([0, 0, 0])
})
