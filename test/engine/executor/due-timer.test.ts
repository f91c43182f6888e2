import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { DueTimer } from '../../../src/engine/executor/due-timer.ts'
import { claimInstant, permitInstant } from '../../../src/engine/notify/fleet.ts'

/** The database's clock is years ahead of this process. */
const AHEAD = 1e11
const ALONE = { size: 1, position: 0 }

describe('a timer for the next due time', () => {
  let fired: number[]
  let timer: DueTimer
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'clearTimeout'] })
    fired = []
    timer = new DueTimer({
      pollIntervalMs: 1_000,
      fleet: () => ALONE,
      onDue: () => fired.push(performance.now()),
    })
  })
  afterEach(() => {
    timer.close()
    vi.useRealTimers()
  })

  /** A claim that took so long, during which the database read its clock so late. */
  function read(nextDueAt: number | null | undefined, { takesMs = 0, clockMs = 0, offset = AHEAD } = {}) {
    const sentAt = performance.now()
    timer.noteClaimSent()
    vi.advanceTimersByTime(takesMs)
    timer.noteReading({ sentAt, receivedAt: performance.now(), at: sentAt + clockMs + offset, nextDueAt })
  }
  const due = (inMs: number) => performance.now() + AHEAD + inMs
  const expectFired = (...at: number[]) => {
    expect(fired).toHaveLength(at.length)
    for (const [i, instant] of at.entries())
      expect(Math.abs((fired[i] ?? 0) - instant)).toBeLessThanOrEqual(2)
  }

  test('fires then by the clock of the database, once', () => {
    const begun = performance.now()
    read(due(500))
    vi.advanceTimersByTime(5_000)
    expectFired(begun + 500)
  })

  test('fires on time after a claim that took long', () => {
    read(null)
    const begun = performance.now()
    read(due(500), { takesMs: 300, clockMs: 290 })
    vi.advanceTimersByTime(5_000)
    expectFired(begun + 500)
  })

  test('follows a clock that has jumped', () => {
    read(null)
    const begun = performance.now()
    read(due(500) + 3_600_000, { takesMs: 2, clockMs: 1, offset: AHEAD + 3_600_000 })
    vi.advanceTimersByTime(5_000)
    expectFired(begun + 500)
  })

  test('is brought forward by an earlier task, also while a claim is in flight that does not see it', () => {
    const begun = performance.now()
    read(due(900))
    timer.note(due(500))
    timer.note(due(700))
    timer.noteClaimSent()
    timer.note(due(400))
    timer.noteReading({ sentAt: begun, receivedAt: begun, at: begun + AHEAD, nextDueAt: due(900) })
    vi.advanceTimersByTime(450)
    read(due(450))
    vi.advanceTimersByTime(5_000)
    expectFired(begun + 400, begun + 900)
  })

  test('keeps its time after a claim that has not read it, and forgets a task that is gone', () => {
    const begun = performance.now()
    read(due(500))
    read(undefined)
    vi.advanceTimersByTime(600)
    read(due(500))
    read(null)
    vi.advanceTimersByTime(5_000)
    expectFired(begun + 500)
  })

  test('fires a little early after a long delay: the rest is read again', () => {
    const begun = performance.now()
    read(due(100_000))
    vi.advanceTimersByTime(200_000)
    expectFired(begun + 98_000)
  })

  test.each([2 ** 31, 2 ** 40, Number.POSITIVE_INFINITY])('does not fire for a delay of %s ms', (delayMs) => {
    read(due(delayMs))
    vi.advanceTimersByTime(1_000_000)
    expectFired()
  })
})

describe('in a fleet', () => {
  const DUE = 1_764_000_000_250
  const POLL_MS = 1_000
  const members = (size: number) => Array.from({ length: size }, (_, position) => ({ size, position }))

  test('of up to three, all claim a delayed task when it is due', () => {
    for (const member of members(3)) expect(claimInstant(member, DUE, POLL_MS)).toBe(DUE)
  })

  test.each([4, 10, 100])(
    'of %i, three claim it at once, and the others within the poll interval, not all together',
    (size) => {
      for (let dueAt = DUE; dueAt < DUE + 60_000; dueAt += 700) {
        const instants = members(size).map((member) => claimInstant(member, dueAt, POLL_MS))
        const late = instants.filter((instant) => instant > dueAt)
        expect(size - late.length).toBe(3)
        expect(Math.min(...instants)).toBe(dueAt)
        expect(Math.max(...instants)).toBeLessThanOrEqual(dueAt + POLL_MS)
        const perTenth = Map.groupBy(late, (instant) => Math.floor((instant - dueAt) / (POLL_MS / 10)))
        for (const some of perTenth.values()) expect(some.length).toBeLessThanOrEqual(3 + size / 5)
      }
    },
  )

  test.each([1, 2, 3, 4, 10])('of %i, one claims what waits for a permit at once, in turns', (size) => {
    const firsts = new Set<number>()
    for (let second = 0; second < size; second += 1) {
      const permitAt = DUE + second * 1_000
      const instants = members(size).map((member) => permitInstant(member, permitAt, POLL_MS))
      const [first, next = permitAt + 20] = instants.toSorted((a, b) => a - b)
      expect([first, next]).toEqual([permitAt, permitAt + 20])
      expect(Math.max(...instants)).toBeLessThanOrEqual(permitAt + POLL_MS)
      firsts.add(instants.indexOf(permitAt))
    }
    expect(firsts.size).toBeGreaterThanOrEqual(Math.min(size, 2))
  })

  test('each executor has read what is due by the time its duty begins', () => {
    for (const member of members(10)) {
      for (let second = 0; second < 20; second += 1) {
        const start = Math.floor(DUE / 1_000) * 1_000 + second * 1_000
        const onDuty = claimInstant(member, start, POLL_MS) === start
        const before = claimInstant(member, start - 1, 10 * POLL_MS)
        if (onDuty) expect(before).toBeLessThanOrEqual(start)
      }
    }
  })
})
