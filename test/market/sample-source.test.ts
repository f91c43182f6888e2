import { expect, test } from 'vitest'
import { judgeBars } from '../../src/market/bars.ts'
import { createSampleSource } from '../../src/market/sources/sample.ts'
import { isAShare } from '../../src/market/symbols.ts'

const { signal } = new AbortController()
const source = createSampleSource()

test('the sample has some hundred A-shares, twenty industries and twenty concepts', async () => {
  const stocks = await source.stocks(signal)
  expect(stocks).toHaveLength(400)
  expect(new Set(stocks.map(({ symbol }) => symbol)).size).toBe(400)
  expect(stocks.every(({ symbol }) => isAShare(symbol))).toBe(true)
  expect(await source.boards('industry', signal)).toHaveLength(20)
  expect(await source.boards('concept', signal)).toHaveLength(20)
  expect(await source.boards(undefined, signal)).toHaveLength(40)
})

test('every stock is in exactly one industry, and every board has members', async () => {
  const industries = await source.boards('industry', signal)
  const members = await Promise.all(industries.map((board) => source.boardMembers(board, signal)))
  expect(members.flat().toSorted()).toEqual((await source.stocks(signal)).map((s) => s.symbol).toSorted())
  for (const board of await source.boards('concept', signal)) {
    expect((await source.boardMembers(board, signal)).length).toBeGreaterThan(10)
  }
})

test.each(['1990-12-19', '2019-05-07', '2026-01-05', '2099-06-01'])(
  'the bars of %s may all be stored, and are the same when asked again',
  async (day) => {
    const bars = await source.dailyBars(day, signal)
    const judged = judgeBars(bars, day)
    expect(judged.faults).toEqual([])
    expect(judged.bars.length).toBeGreaterThan(340)
    expect(await createSampleSource().dailyBars(day, signal)).toEqual(bars)
  },
)

test('some stocks are suspended, and days differ', async () => {
  const monday = await source.dailyBars('2026-01-05', signal)
  const tuesday = await source.dailyBars('2026-01-06', signal)
  expect(monday.length).toBeLessThan(400)
  expect(monday[0]).not.toMatchObject({ close: tuesday[0]?.close })
})

test('only the stocks asked for are given', async () => {
  const bars = await source.dailyBars('2026-01-05', signal, ['600001', '999999'])
  expect(bars.map(({ symbol }) => symbol)).toEqual(['600001'])
})

test('weekends and holidays are closed', async () => {
  const days = await source.calendar('2025-09-29', '2025-10-10', signal)
  const open = days.filter(({ isOpen }) => isOpen).map(({ day }) => day)
  expect(open).toEqual(['2025-09-29', '2025-09-30', '2025-10-08', '2025-10-09', '2025-10-10'])
  expect(await source.dailyBars('2025-10-01', signal)).toEqual([])
})

test('an aborted signal stops every call with its reason', async () => {
  const reason = new Error('cancelled')
  const aborted = AbortSignal.abort(reason)
  await expect(source.stocks(aborted)).rejects.toBe(reason)
  await expect(source.dailyBars('2026-01-05', aborted)).rejects.toBe(reason)
})
