import { expect, test } from 'vitest'
import { TimeLeft } from '../../src/client/time-left.ts'

/** Ten seconds ago. */
const STARTED = new Date(Date.now() - 10_000)

const running = (progress: number, more: object = {}) => ({
  taskId: 'task_1',
  status: 'running' as const,
  progress,
  total: 100,
  startedAt: STARTED,
  ...more,
})

test('the pace that was seen says how long it will take, and the time since the last word counts', () => {
  const left = new TimeLeft()
  left.guess(running(10), 0)
  expect(left.guess(running(30), 10_000)).toBeCloseTo(35)
  expect(left.guess(running(30), 15_000)).toBeCloseTo(30)
})

test('at first sight the pace since the start counts', () => {
  // A tenth in ten seconds.
  const startedAt = new Date(Date.now() - 10_000)
  expect(new TimeLeft().guess(running(10, { startedAt }), 0)).toBeCloseTo(90, 0)
})

test('only the last minute counts', () => {
  const left = new TimeLeft()
  left.guess(running(0), 0)
  left.guess(running(50), 10_000)
  left.guess(running(60), 110_000)
  left.guess(running(70), 120_000)
  // Fifteen hundredths in the seventy seconds since what was the newest a minute ago.
  expect(left.guess(running(75), 180_000)).toBeCloseTo((25 * 70) / 15)
})

test('another attempt, or another task, starts anew', () => {
  const left = new TimeLeft()
  left.guess(running(10), 0)
  left.guess(running(50), 10_000)
  const startedAt = new Date(Date.now() - 1_000)
  expect(left.guess(running(1, { startedAt }), 20_000)).toBeCloseTo(99, 0)
})

test.each([
  ['that has not started', { status: 'pending' as const }],
  ['that has ended', { status: 'completed' as const }],
  ['of unknown length', { total: 0 }],
  ['that has done nothing yet', { progress: 0 }],
])('of a task %s nobody can tell', (_what, more) => {
  expect(new TimeLeft().guess(running(10, more), 0)).toBeUndefined()
})
