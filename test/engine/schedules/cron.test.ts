import { describe, expect, test } from 'vitest'
import { TaskError } from '../../../src/engine/definition/errors.ts'
import { parseCron, requireNext } from '../../../src/engine/schedules/cron.ts'

/** The first ticks after an instant. */
function ticks(cron: string, timeZone: string, after: string, count: number): string[] {
  const times = parseCron(cron, timeZone)
  const found: string[] = []
  for (let at = times.next(new Date(after)); at && found.length < count; at = times.next(at)) {
    found.push(at.toISOString().replace('.000', ''))
  }
  return found
}

function refusal(work: () => unknown): TaskError {
  try {
    work()
  } catch (error) {
    if (error instanceof TaskError) return error
    throw error
  }
  throw new Error('nothing was refused')
}

describe('an expression', () => {
  test.each([
    ['30 17 * * 1-5', '2026-11-20T17:30:00Z', '2026-11-23T17:30:00Z'],
    ['*/20 * * * * *', '2026-11-20T00:00:20Z', '2026-11-20T00:00:40Z'],
    ['0 12 1 JAN,jul *', '2027-01-01T12:00:00Z', '2027-07-01T12:00:00Z'],
    ['0 0 L * *', '2026-11-30T00:00:00Z', '2026-12-31T00:00:00Z'],
    ['0 9 * * 5#2', '2026-12-11T09:00:00Z', '2027-01-08T09:00:00Z'],
    ['0 0 29 2 *', '2028-02-29T00:00:00Z', '2032-02-29T00:00:00Z'],
    // Either, when both days are given, as in cron.
    ['0 0 25 * 5', '2026-11-25T00:00:00Z', '2026-11-27T00:00:00Z'],
    ['@hourly', '2026-11-20T01:00:00Z', '2026-11-20T02:00:00Z'],
    ['@daily', '2026-11-21T00:00:00Z', '2026-11-22T00:00:00Z'],
    ['@weekly', '2026-11-22T00:00:00Z', '2026-11-29T00:00:00Z'],
    ['@monthly', '2026-12-01T00:00:00Z', '2027-01-01T00:00:00Z'],
    ['@yearly', '2027-01-01T00:00:00Z', '2028-01-01T00:00:00Z'],
  ])('%s ticks at %s and %s', (cron, first, second) => {
    expect(ticks(cron, 'UTC', '2026-11-20T00:00:00Z', 2)).toEqual([first, second])
  })

  test('ticks after an instant, never at it, and at whole seconds whatever the instant', () => {
    expect(ticks('* * * * * *', 'UTC', '2026-11-20T00:00:00Z', 1)).toEqual(['2026-11-20T00:00:01Z'])
    expect(ticks('* * * * * *', 'UTC', '2026-11-20T00:00:00.999Z', 1)).toEqual(['2026-11-20T00:00:01Z'])
  })

  test.each([
    ['', /is no cron expression/],
    ['* * * *', /five/],
    ['61 * * * *', /Invalid value for minute: 61/],
    ['0 0 32 * *', /32/],
    ['*/90 * * * *', /steps/],
    ['hello', /is no cron expression/],
    ['@reboot', /@reboot/],
    ['@every 5m', /is no cron expression/],
    ['0 0 1 1 * 2030', /2030/],
    ['0 0 0 1 1 * 2030', /7 parts/],
    ['2030-01-01T00:00:00', /single date/],
  ])('%j is refused, and it is said what was expected', (cron, reason) => {
    const { code, message, problems } = refusal(() => parseCron(cron, 'UTC'))
    expect(code).toBe('INVALID_ARGUMENT')
    expect(problems).toEqual([{ pointer: '/cron', detail: expect.stringMatching(reason) }])
    expect(problems[0]?.detail).toContain(JSON.stringify(cron))
    expect(message).toMatch(/expected five fields .* @daily/)
  })

  test.each(['0 0 30 2 *', '0 0 31 4,6,9,11 *', '* * * 31 2 *'])(
    '%s, which never fires, is refused',
    (cron) => {
      const { code, problems } = refusal(() => requireNext(parseCron(cron, 'UTC'), cron, new Date()))
      expect(code).toBe('INVALID_ARGUMENT')
      expect(problems).toEqual([
        { pointer: '/cron', detail: expect.stringContaining(`"${cron}" never fires`) },
      ])
    },
  )

  test.each(['', 'Nowhere/Else', '+08:00', 'UTC+8', 'Asia/Shanghai ', '8'])(
    'the zone %j is refused',
    (zone) => {
      const { code, problems } = refusal(() => parseCron('* * * * *', zone))
      expect(code).toBe('INVALID_ARGUMENT')
      expect(problems).toEqual([
        {
          pointer: '/timeZone',
          detail: `${JSON.stringify(zone)} is no time zone; expected an IANA time zone such as Asia/Shanghai, or UTC`,
        },
      ])
    },
  )
})

describe('daylight saving', () => {
  test.each([
    // Berlin, 29 March 2026: after 01:59:59 comes 03:00:00, which is 01:00 UTC.
    ['Europe/Berlin', '30 2 * * *', '2026-03-28T12:00Z', ['2026-03-29T01:00:00Z', '2026-03-30T00:30:00Z']],
    ['Europe/Berlin', '0 2,3 * * *', '2026-03-28T12:00Z', ['2026-03-29T01:00:00Z', '2026-03-30T00:00:00Z']],
    // New York, 8 March 2026: after 01:59:59 comes 03:00:00, which is 07:00 UTC.
    ['America/New_York', '15 2 * * *', '2026-03-07T12:00Z', ['2026-03-08T07:00:00Z', '2026-03-09T06:15:00Z']],
    // Nuuk, 28 March 2026: after 22:59:59 comes 00:00:00 of the next day, which is 01:00 UTC.
    ['America/Nuuk', '30 23 * * *', '2026-03-28T12:00Z', ['2026-03-29T01:00:00Z', '2026-03-30T00:30:00Z']],
    ['America/Nuuk', '59 23 28 3 *', '2025-12-01T12:00Z', ['2026-03-29T01:00:00Z', '2027-03-29T00:59:00Z']],
    // Shanghai has had none since 1991.
    ['Asia/Shanghai', '30 2 * * *', '2026-03-28T12:00Z', ['2026-03-28T18:30:00Z', '2026-03-29T18:30:00Z']],
    ['Asia/Shanghai', '30 0 * * *', '1986-05-03T00:00Z', ['1986-05-03T16:30:00Z', '1986-05-04T15:30:00Z']],
  ])(
    'in %s a fixed time in the gap (%s) ticks once, at the first instant after it',
    (zone, cron, after, expected) => {
      expect(ticks(cron, zone, after, 2)).toEqual(expected)
    },
  )

  test.each([
    // Berlin, 25 October 2026: 02:00 to 02:59 comes twice, from 00:00 and from 01:00 UTC.
    ['Europe/Berlin', '30 2 * * *', '2026-10-24T12:00Z', ['2026-10-25T00:30:00Z', '2026-10-26T01:30:00Z']],
    [
      'Europe/Berlin',
      '0,30 2 * * *',
      '2026-10-24T12:00Z',
      ['2026-10-25T00:00:00Z', '2026-10-25T00:30:00Z', '2026-10-26T01:00:00Z'],
    ],
    // New York, 1 November 2026: 01:00 to 01:59 comes twice, from 05:00 and from 06:00 UTC.
    ['America/New_York', '30 1 * * *', '2026-10-31T12:00Z', ['2026-11-01T05:30:00Z', '2026-11-02T06:30:00Z']],
    ['Asia/Shanghai', '30 2 * * *', '2026-10-24T00:00Z', ['2026-10-24T18:30:00Z', '2026-10-25T18:30:00Z']],
  ])('in %s a fixed time that comes twice (%s) ticks the first time', (zone, cron, after, expected) => {
    expect(ticks(cron, zone, after, expected.length)).toEqual(expected)
  })

  test.each([
    ['Europe/Berlin', '2026-03-29T00:00Z'],
    ['Europe/Berlin', '2026-10-24T23:00Z'],
    ['America/New_York', '2026-03-08T06:00Z'],
    ['America/New_York', '2026-11-01T05:00Z'],
    ['Asia/Shanghai', '2026-03-29T00:00Z'],
  ])('in %s, from %s on, every 20 minutes stays every 20 minutes', (zone, from) => {
    const found = ticks('*/20 * * * *', zone, from, 12)
    const expected = found.map((_, i) => new Date(+new Date(from) + (i + 1) * 1_200_000).toISOString())
    expect(found.map((tick) => new Date(tick).toISOString())).toEqual(expected)
  })

  test('a step within the hour that is left out, or comes twice, is left out, or comes twice', () => {
    expect(ticks('*/30 2 * * *', 'Europe/Berlin', '2026-03-28T12:00Z', 1)).toEqual(['2026-03-30T00:00:00Z'])
    expect(ticks('*/30 2 * * *', 'Europe/Berlin', '2026-10-24T12:00Z', 5)).toEqual([
      '2026-10-25T00:00:00Z',
      '2026-10-25T00:30:00Z',
      '2026-10-25T01:00:00Z',
      '2026-10-25T01:30:00Z',
      '2026-10-26T01:00:00Z',
    ])
  })
})

describe('the latest ticks', () => {
  test('end with the instant itself', () => {
    const times = parseCron('* * * * *', 'UTC')
    const at = (text: string, count = 1) =>
      times.latest(new Date(text), count).map((tick) => tick.toISOString().slice(11, 19))
    expect(at('2026-11-20T10:00:00Z')).toEqual(['10:00:00'])
    expect(at('2026-11-20T10:00:00.001Z')).toEqual(['10:00:00'])
    expect(at('2026-11-20T09:59:59.999Z', 2)).toEqual(['09:59:00', '09:58:00'])
  })

  test.each([
    ['Europe/Berlin', '2026-03-28T12:00Z'],
    ['Europe/Berlin', '2026-10-24T12:00Z'],
    ['America/New_York', '2026-03-07T12:00Z'],
    ['America/New_York', '2026-10-31T12:00Z'],
    ['America/Nuuk', '2026-03-28T12:00Z'],
    ['Asia/Shanghai', '1986-05-03T12:00Z'],
  ])('in %s after %s are those that come one after the other', (zone, from) => {
    const until = new Date(+new Date(from) + 48 * 3_600_000)
    for (const cron of [
      '30 2 * * *',
      '15,45 23 * * *',
      '*/20 2 * * *',
      '0,30 1-3 * * *',
      '*/7 * * * *',
      '0 */2 * * *',
      '0 0 * * *',
    ]) {
      const times = parseCron(cron, zone)
      const forwards: Date[] = []
      for (let at = times.next(new Date(from)); at && at <= until; at = times.next(at)) forwards.push(at)
      expect(forwards.length).toBeGreaterThan(0)
      expect(times.latest(until, forwards.length).reverse(), cron).toEqual(forwards)
    }
  })
})
