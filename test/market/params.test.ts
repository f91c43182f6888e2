import fc from 'fast-check'
import { expect, test } from 'vitest'
import { addDays, listDays, parseDay, todayInShanghai } from '../../src/market/days.ts'
import {
  backfillByDateParams,
  backfillByRangeParams,
  initSectorsParams,
  initStocksParams,
} from '../../src/market/tasks/params.ts'

const TODAY = '2026-01-05'
const byDate = backfillByDateParams(() => TODAY)
const byRange = backfillByRangeParams(() => TODAY)

/** The first problem, as `field: message`. */
function problemOf(schema: typeof byDate | typeof byRange, params: unknown): string | undefined {
  const issue = schema.safeParse(params).error?.issues[0]
  return issue && `${issue.path.join('.')}: ${issue.message}`
}

test('today in Shanghai is the date there, wherever the server stands', () => {
  expect(todayInShanghai(new Date('2025-12-31T15:59:59Z'))).toBe('2025-12-31')
  expect(todayInShanghai(new Date('2025-12-31T16:00:00Z'))).toBe('2026-01-01')
})

test('a backfill of a date fills in today, and parses its own output to itself', () => {
  const parsed = byDate.parse({})
  expect(parsed).toEqual({ targetDate: TODAY, overwrite: false, targetType: 'all' })
  expect(byDate.parse(parsed)).toEqual(parsed)
})

test('a backfill of a range ends today unless told otherwise', () => {
  const parsed = byRange.parse({ startDate: '2025-12-01' })
  expect(parsed).toEqual({ startDate: '2025-12-01', endDate: TODAY, overwrite: false, targetType: 'all' })
  expect(byRange.parse(parsed)).toEqual(parsed)
})

test.each([
  '2025-02-30',
  '2025-2-3',
  '20250203',
  '2025-13-01',
  '2025-02-29',
  '2025-02-03T00:00:00Z',
  ' 2025-02-03',
  '',
  20250203,
  null,
])('the date %j is refused', (targetDate) => {
  expect(problemOf(byDate, { targetDate })).toMatch(/^targetDate: must be a date that exists/)
})

test('a leap day is a date in a leap year', () => {
  expect(problemOf(byDate, { targetDate: '2024-02-29' })).toBeUndefined()
})

test('dates run from the first trading day to today in Shanghai', () => {
  expect(problemOf(byDate, { targetDate: '1990-12-19' })).toBeUndefined()
  expect(problemOf(byDate, { targetDate: '1990-12-18' })).toMatch(
    /^targetDate: must not be before 1990-12-19/,
  )
  expect(problemOf(byDate, { targetDate: TODAY })).toBeUndefined()
  expect(problemOf(byDate, { targetDate: '2026-01-06' })).toBe(
    'targetDate: must not be in the future: it is 2026-01-05 in Asia/Shanghai',
  )
  expect(problemOf(byRange, { startDate: '2025-12-01', endDate: '2026-01-06' })).toMatch(/^endDate: .*future/)
})

test('a range has at most 365 days, both ends counted', () => {
  expect(problemOf(byRange, { startDate: '2025-01-01', endDate: '2025-12-31' })).toBeUndefined()
  expect(problemOf(byRange, { startDate: '2024-01-01', endDate: '2024-12-30' })).toBeUndefined()
  expect(problemOf(byRange, { startDate: '2024-01-01', endDate: '2024-12-31' })).toMatch(
    /^endDate: must be 2024-12-30 or earlier/,
  )
})

test('a date that is none is the only problem of its range', () => {
  const problems = byRange.safeParse({ startDate: '2019-02-30', endDate: '2026-09-09' }).error?.issues
  expect(problems?.map(({ path }) => path)).toEqual([['startDate'], ['endDate']])
  expect(byRange.safeParse({ startDate: '2019-02-30' }).error?.issues).toHaveLength(1)
})

test('a range is ordered; one day is a range', () => {
  expect(problemOf(byRange, { startDate: '2025-03-03', endDate: '2025-03-03' })).toBeUndefined()
  expect(problemOf(byRange, { startDate: '2025-03-04', endDate: '2025-03-03' })).toMatch(
    /^startDate: must not be after endDate/,
  )
  expect(problemOf(byRange, {})).toMatch(/^startDate: /)
})

test('targetId goes with sector and stock, and only with them', () => {
  expect(problemOf(byDate, { targetType: 'stock' })).toMatch(/^targetId: is required/)
  expect(problemOf(byDate, { targetType: 'sector' })).toMatch(/^targetId: is required/)
  expect(problemOf(byRange, { startDate: TODAY, targetType: 'sector' })).toMatch(/^targetId: is required/)
  expect(problemOf(byDate, { targetType: 'stock', targetId: '600519' })).toBeUndefined()
  expect(problemOf(byDate, { targetType: 'sector', targetId: '885835.TI' })).toBeUndefined()
  expect(problemOf(byDate, { targetType: 'stock', targetId: '60051' })).toMatch(/^targetId: .*six digits/)
  expect(problemOf(byDate, { targetType: 'sector', targetId: '' })).toMatch(/^targetId: /)
  expect(problemOf(byDate, { targetId: '600519' })).toMatch(/^targetId: goes only with/)
  expect(problemOf(byDate, { targetType: 'region', targetId: '1' })).toMatch(/^targetType: /)
})

test('a text is not a boolean, and an unknown param is refused', () => {
  expect(problemOf(byDate, { overwrite: 'false' })).toMatch(/^overwrite: /)
  expect(problemOf(byDate, { target_date: TODAY })).toMatch(/target_date/)
  expect(initStocksParams.safeParse({ days: 60 }).success).toBe(false)
  expect(initStocksParams.safeParse({}).success).toBe(true)
  expect(initSectorsParams.safeParse({ sectorType: 'region' }).success).toBe(false)
  expect(initSectorsParams.parse({})).toEqual({})
  expect(initSectorsParams.parse({ sectorType: 'concept' })).toEqual({ sectorType: 'concept' })
})

test('whatever a backfill accepts, it parses to itself again', () => {
  const day = fc.integer({ min: 0, max: 13_000 }).map((count) => addDays('1990-12-19', count))
  const params = fc.record(
    {
      startDate: day,
      endDate: day,
      overwrite: fc.boolean(),
      targetType: fc.constantFrom('all', 'sector', 'stock'),
      targetId: fc.constantFrom('600519', 'I0001'),
    },
    { requiredKeys: ['startDate'] },
  )
  fc.assert(
    fc.property(params, (input) => {
      const first = byRange.safeParse(input)
      if (first.success) expect(byRange.parse(first.data)).toEqual(first.data)
    }),
  )
})

test('days are parsed strictly and counted over month, year and leap day', () => {
  expect(parseDay('20240229')).toBe('2024-02-29')
  expect(parseDay('2024-02-29')).toBe('2024-02-29')
  expect(parseDay('20230229')).toBeNull()
  expect(parseDay('2024')).toBeNull()
  expect(listDays('2024-12-31', '2025-01-01')).toEqual(['2024-12-31', '2025-01-01'])
  expect(listDays('2024-02-28', '2024-03-01')).toHaveLength(3)
  expect(listDays('2025-01-02', '2025-01-01')).toEqual([])
})
