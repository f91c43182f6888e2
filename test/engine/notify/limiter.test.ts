import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { NotifyLimiter } from '../../../src/engine/notify/limiter.ts'

const INTERVAL_MS = 5
let sent: number[]
let limiter: NotifyLimiter

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  sent = []
  limiter = new NotifyLimiter((count) => sent.push(count))
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

test('one insert an interval notifies with its commit', () => {
  expect([limiter.takeTurn(), limiter.takeTurn()]).toEqual([true, false])
  vi.advanceTimersByTime(INTERVAL_MS)
  expect([limiter.takeTurn(), limiter.takeTurn()]).toEqual([true, false])
  expect(sent).toEqual([])
})

test('the first tasks are sent at once, what follows is counted and sent once the interval has passed', () => {
  limiter.notify(1)
  expect(sent).toEqual([1])
  limiter.notify(2)
  limiter.notify(3)
  vi.advanceTimersByTime(INTERVAL_MS - 1)
  expect(sent).toEqual([1])
  vi.advanceTimersByTime(1)
  expect(sent).toEqual([1, 5])
  vi.advanceTimersByTime(1_000)
  expect(sent).toEqual([1, 5])
})

test('no insert notifies while others are still to be notified, nor sooner than an interval after that', () => {
  expect(limiter.takeTurn()).toBe(true)
  limiter.notify(1)
  vi.advanceTimersByTime(INTERVAL_MS - 1)
  expect(limiter.takeTurn()).toBe(false)
  vi.advanceTimersByTime(INTERVAL_MS)
  expect(sent).toEqual([1])
  expect(limiter.takeTurn()).toBe(false)
  vi.advanceTimersByTime(1)
  expect(limiter.takeTurn()).toBe(true)
})

test('an unknown number stays unknown when others are counted with it', () => {
  limiter.notify(1)
  limiter.notify(1)
  limiter.notify(Number.POSITIVE_INFINITY)
  limiter.flush()
  expect(sent).toEqual([1, Number.POSITIVE_INFINITY])
  limiter.flush()
  vi.advanceTimersByTime(1_000)
  expect(sent).toHaveLength(2)
})

test('no timer gets a delay below zero, of which Node would warn, however slow the process is', () => {
  let now = 0
  vi.spyOn(performance, 'now').mockImplementation(() => {
    now += 3
    return now
  })
  const start = vi.spyOn(globalThis, 'setTimeout')
  for (let i = 0; i < 10; i += 1) {
    limiter.notify(1)
    vi.advanceTimersByTime(INTERVAL_MS)
  }
  const delays = start.mock.calls.map(([, ms]) => Number(ms))
  expect(delays.length).toBeGreaterThan(0)
  expect(Math.min(...delays)).toBeGreaterThan(0)
})
