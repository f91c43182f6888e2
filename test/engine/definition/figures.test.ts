import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  addRun,
  addWait,
  noFigures,
  runningIn,
  sum,
  waitingIn,
} from '../../../src/engine/definition/figures.ts'

test('of nothing there are no percentiles', () => {
  expect(waitingIn(noFigures())).toBeNull()
  expect(waitingIn([])).toBeNull()
})

test('percentiles are within 42 % of the exact ones, whatever was counted, and waits are apart from runs', () => {
  const ms = fc.double({ min: 1, max: 30_000_000, noNaN: true })
  fc.assert(
    fc.property(fc.array(ms, { minLength: 1, maxLength: 200 }), (times) => {
      const figures = noFigures()
      for (const time of times) addRun(figures, time)
      expect(waitingIn(figures)).toBeNull()
      const found = runningIn(figures)
      const sorted = times.toSorted((a, b) => a - b)
      for (const [name, share] of [
        ['p50', 0.5],
        ['p95', 0.95],
        ['p99', 0.99],
      ] as const) {
        const exact = sorted[Math.ceil(share * times.length) - 1] ?? 0
        expect(found?.[name]).toBeGreaterThanOrEqual(Math.floor(exact / 1.42))
        expect(found?.[name]).toBeLessThanOrEqual(Math.ceil(exact * 1.42))
      }
    }),
  )
})

test('times of any size are counted', () => {
  const figures = noFigures()
  for (const ms of [0, 0.1, 1, 1e12, Number.POSITIVE_INFINITY]) addWait(figures, ms)
  expect(waitingIn(figures)).toMatchObject({ count: 5, p50: 1 })
  expect(figures).toHaveLength(noFigures().length)
})

test('figures add up', () => {
  const parts = [1, 10, 100, 1_000].map((ms) => {
    const figures = noFigures()
    addWait(figures, ms)
    return figures
  })
  const whole = noFigures()
  for (const ms of [1, 10, 100, 1_000]) addWait(whole, ms)
  expect(sum(parts)).toEqual(whole)
})
