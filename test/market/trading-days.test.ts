import { expect, test } from 'vitest'
import { createTradingCalendar } from '../../src/market/trading-days.ts'
import { recordingCall, ScriptedSource } from './support/scripted-source.ts'

const call = recordingCall()

test('weekends are closed, weekday holidays are what the calendar says, and a year is asked for once', async () => {
  const source = new ScriptedSource({ closed: ['2025-10-01', '2025-10-02', '2025-10-03'] })
  const calendar = createTradingCalendar(source, () => '2026-01-05')
  expect(await calendar.between('2025-09-29', '2025-10-06', call)).toEqual({
    days: ['2025-09-29', '2025-09-30', '2025-10-06'],
    assumed: [],
  })
  await calendar.between('2025-03-03', '2025-03-07', call)
  expect(source.requests).toEqual(['calendar 2025'])
})

test('a weekend costs no request', async () => {
  const source = new ScriptedSource()
  const calendar = createTradingCalendar(source, () => '2026-01-05')
  expect(await calendar.between('2026-01-03', '2026-01-04', call)).toEqual({ days: [], assumed: [] })
  expect(source.requests).toEqual([])
})

test('a weekend day that a calendar calls open stays closed', async () => {
  const source = new ScriptedSource()
  source.calendar = async (from) => [{ day: '2025-02-08', isOpen: from !== '' }]
  const calendar = createTradingCalendar(source, () => '2026-01-05')
  expect((await calendar.between('2025-02-08', '2025-02-09', call)).days).toEqual([])
})

test("a range over the year's end asks for both years", async () => {
  const source = new ScriptedSource({ closed: ['2025-01-01'] })
  const calendar = createTradingCalendar(source, () => '2026-01-05')
  const { days } = await calendar.between('2024-12-30', '2025-01-03', call)
  expect(days).toEqual(['2024-12-30', '2024-12-31', '2025-01-02', '2025-01-03'])
  expect(source.requests).toEqual(['calendar 2024', 'calendar 2025'])
})

test("the current year's calendar is asked for again the next day, a past year's is not", async () => {
  let today = '2026-01-05'
  const source = new ScriptedSource()
  const calendar = createTradingCalendar(source, () => today)
  await calendar.between('2025-12-31', '2026-01-05', call)
  today = '2026-01-06'
  await calendar.between('2025-12-31', '2026-01-05', call)
  expect(source.requests).toEqual(['calendar 2025', 'calendar 2026', 'calendar 2026'])
})

test('weekdays that the calendar leaves out count as open, and are asked for anew', async () => {
  const source = new ScriptedSource()
  const complete = source.calendar.bind(source)
  source.calendar = async (from, to, abort) => (await complete(from, to, abort)).slice(0, 31)
  const calendar = createTradingCalendar(source, () => '2026-01-05')
  const { days, assumed } = await calendar.between('2025-01-31', '2025-02-03', call)
  expect(days).toEqual(['2025-01-31', '2025-02-03'])
  expect(assumed).toEqual(['2025-02-03'])
  await calendar.between('2025-02-03', '2025-02-03', call)
  expect(source.requests).toHaveLength(2)
})
