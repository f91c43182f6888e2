import { expect, test } from 'vitest'
import { judgeBars } from '../../src/market/bars.ts'
import { createSampleSource } from '../../src/market/sources/sample.ts'
import { isAShare } from '../../src/market/symbols.ts'
import { recordingCall } from './support/scripted-source.ts'

const call = recordingCall()
const source = createSampleSource()

test('the sample has some hundred A-shares, twenty industries and twenty concepts', async () => {
  const stocks = await source.stocks(call)
  expect(stocks).toHaveLength(400)
  expect(new Set(stocks.map(({ symbol }) => symbol)).size).toBe(400)
  expect(stocks.every(({ symbol }) => isAShare(symbol))).toBe(true)
  expect(await source.boards('industry', call)).toHaveLength(20)
  expect(await source.boards('concept', call)).toHaveLength(20)
  expect(await source.boards(undefined, call)).toHaveLength(40)
})

test('every stock is in exactly one industry, and every board has members', async () => {
  const industries = await source.boards('industry', call)
  const members = await Promise.all(industries.map((board) => source.boardMembers(board, call)))
  expect(members.flat().toSorted()).toEqual((await source.stocks(call)).map((s) => s.symbol).toSorted())
  for (const board of await source.boards('concept', call)) {
    expect((await source.boardMembers(board, call)).length).toBeGreaterThan(10)
  }
})

test.each(['1990-12-19', '2019-05-07', '2026-01-05', '2099-06-01'])(
  'the bars of %s may all be stored, and are the same when asked again',
  async (day) => {
    const bars = await source.dailyBars(day, call)
    const judged = judgeBars(bars, day)
    expect(judged.faults).toEqual([])
    expect(judged.bars.length).toBeGreaterThan(340)
    expect(await createSampleSource().dailyBars(day, call)).toEqual(bars)
  },
)

test('some stocks are suspended, and days differ', async () => {
  const monday = await source.dailyBars('2026-01-05', call)
  const tuesday = await source.dailyBars('2026-01-06', call)
  expect(monday.length).toBeLessThan(400)
  expect(monday[0]).not.toMatchObject({ close: tuesday[0]?.close })
})

test('only the stocks asked for are given', async () => {
  const bars = await source.dailyBars('2026-01-05', call, ['600001', '999999'])
  expect(bars.map(({ symbol }) => symbol)).toEqual(['600001'])
})

test('weekends and holidays are closed', async () => {
  const days = await source.calendar('2025-09-29', '2025-10-10', call)
  const open = days.filter(({ isOpen }) => isOpen).map(({ day }) => day)
  expect(open).toEqual(['2025-09-29', '2025-09-30', '2025-10-08', '2025-10-09', '2025-10-10'])
  expect(await source.dailyBars('2025-10-01', call)).toEqual([])
})

test('an aborted signal stops every call with its reason', async () => {
  const reason = new Error('cancelled')
  const aborted = recordingCall(AbortSignal.abort(reason))
  await expect(source.stocks(aborted)).rejects.toBe(reason)
  await expect(source.dailyBars('2026-01-05', aborted)).rejects.toBe(reason)
})
