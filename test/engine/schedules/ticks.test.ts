import { describe, expect, test } from 'vitest'
import type { MissedTicks } from '../../../src/contract/schedule.ts'
import { parseCron } from '../../../src/engine/schedules/cron.ts'
import { graceOf, planTicks } from '../../../src/engine/schedules/ticks.ts'

const everyMinute = parseCron('* * * * *', 'UTC')
const daily = parseCron('0 12 * * *', 'UTC')
const at = (time: string) => new Date(`2026-11-20T${time}Z`)

function plan(times: typeof daily, missed: MissedTicks, from: string, now: string) {
  const { ticks, next, skipped } = planTicks(times, { from: at(from), now: at(now), missed, graceMs: 5_000 })
  const text = (tick: Date) => tick.toISOString().slice(0, 19).replace('2026-11-20T', '')
  return {
    ticks: ticks.map(text),
    next: next && text(next),
    skipped: skipped && [text(skipped.from), text(skipped.before)],
  }
}

describe.each(['skip', 'once', 'all'] as const)('with %s', (missed) => {
  test('a tick that is due now, or was up to the grace ago, runs', () => {
    for (const now of ['12:00:00', '12:00:00.400', '12:00:05']) {
      expect(plan(daily, missed, '12:00:00', now)).toEqual({
        ticks: ['12:00:00'],
        next: '2026-11-21T12:00:00',
        skipped: undefined,
      })
    }
  })

  test('a tick that is late by a restart runs', () => {
    expect(plan(daily, missed, '12:00:00', '12:01:29')).toMatchObject({
      ticks: ['12:00:00'],
      skipped: undefined,
    })
  })
})

describe('ticks that no process fired in time', () => {
  test('skip: none, but for the latest where it is late by no more than a restart', () => {
    expect(plan(daily, 'skip', '12:00:00', '12:01:31')).toEqual({
      ticks: [],
      next: '2026-11-21T12:00:00',
      skipped: ['12:00:00', '2026-11-21T12:00:00'],
    })
    expect(plan(everyMinute, 'skip', '12:00:00', '12:10:30')).toEqual({
      ticks: ['12:10:00'],
      next: '12:11:00',
      skipped: ['12:00:00', '12:10:00'],
    })
  })

  test('once: the latest, however old', () => {
    expect(plan(daily, 'once', '12:00:00', '23:00:00')).toMatchObject({
      ticks: ['12:00:00'],
      skipped: undefined,
    })
    expect(plan(everyMinute, 'once', '09:00:00', '12:10:02')).toEqual({
      ticks: ['12:10:00'],
      next: '12:11:00',
      skipped: ['09:00:00', '12:10:00'],
    })
  })

  test('all: every one', () => {
    expect(plan(everyMinute, 'all', '12:00:00', '12:03:30')).toEqual({
      ticks: ['12:00:00', '12:01:00', '12:02:00', '12:03:00'],
      next: '12:04:00',
      skipped: undefined,
    })
  })

  test('all: at most the newest 1,000', () => {
    const everySecond = parseCron('* * * * * *', 'UTC')
    const exactly = plan(everySecond, 'all', '12:00:01', '12:16:40')
    expect(exactly).toMatchObject({ skipped: undefined, next: '12:16:41' })
    expect(exactly.ticks).toHaveLength(1_000)
    const { ticks, next, skipped } = plan(everySecond, 'all', '00:00:00', '12:16:40.700')
    expect([ticks.length, ticks[0], ticks.at(-1), next]).toEqual([1_000, '12:00:01', '12:16:40', '12:16:41'])
    expect(skipped).toEqual(['00:00:00', '12:00:01'])
  })

  test('ticks on time run beside one another', () => {
    const everySecond = parseCron('* * * * * *', 'UTC')
    for (const missed of ['skip', 'once'] as const) {
      expect(plan(everySecond, missed, '12:00:00', '12:00:30.500')).toMatchObject({
        ticks: ['12:00:26', '12:00:27', '12:00:28', '12:00:29', '12:00:30'],
        skipped: ['12:00:00', '12:00:26'],
      })
    }
  })
})

test('a tick that was promised runs although the expression no longer has it', () => {
  expect(plan(daily, 'skip', '09:00:00', '09:00:01')).toEqual({
    ticks: ['09:00:00'],
    next: '12:00:00',
    skipped: undefined,
  })
})

test('on time is two polls, or 5 s', () => {
  expect([graceOf(10), graceOf(1_000), graceOf(60_000)]).toEqual([5_000, 5_000, 120_000])
})
