import { expect, test } from 'vitest'
import { judgeBars } from '../../src/market/bars.ts'
import { lotsToShares, thousandsToYuan } from '../../src/market/sources/source.ts'
import { isAShare, symbolOfTsCode, tsCodeOf } from '../../src/market/symbols.ts'
import { bar } from './support/scripted-source.ts'

const DAY = '2019-05-07'

test('lots become shares and thousands become yuan without float noise', () => {
  expect(lotsToShares(539_386.32)).toBe(53_938_632)
  expect(thousandsToYuan(498_695.109)).toBe(498_695_109)
  expect(thousandsToYuan(0.29)).toBe(290)
  expect(thousandsToYuan(1.005)).toBe(1005)
  expect(lotsToShares(null)).toBeNull()
  expect(thousandsToYuan(null)).toBeNull()
})

test('a bar at one price, one at the limit and one far beyond any limit are stored', () => {
  const flat = bar('600001', DAY, { open: 5.5, high: 5.5, low: 5.5, close: 5.5 })
  const recovery = bar('000815', DAY, { open: 10.53, high: 12.87, low: 10.53, close: 12.87 })
  const firstDay = bar('300750', DAY, { open: 10, high: 14.4, low: 10, close: 14.4 })
  const judged = judgeBars([flat, recovery, firstDay], DAY)
  expect(judged.bars.map(({ symbol }) => symbol)).toEqual(['000815', '300750', '600001'])
  expect(judged.faults).toEqual([])
})

test('stocks without volume are suspended, and get no row', () => {
  const judged = judgeBars([bar('1', DAY, { volume: 0 }), bar('2', DAY, { volume: null, open: null })], DAY)
  expect(judged).toEqual({ bars: [], suspended: 2, faults: [] })
})

test.each([
  ['a day that was not asked for', { date: '2019-05-06' }],
  ['no date', { date: null }],
  ['high below low', { high: 9, low: 11 }],
  ['low above open', { low: 10.2 }],
  ['high below close', { high: 10.2 }],
  ['no close', { close: null }],
  ['a price of zero', { low: 0 }],
  ['a price that is no number', { high: Number.NaN }],
  ['an infinite price', { high: Number.POSITIVE_INFINITY }],
  ['negative volume', { volume: -1 }],
  ['half a share', { volume: 0.5 }],
  ['a negative amount', { amount: -1 }],
])('a bar with %s is refused, and its neighbour stored', (_what, change) => {
  const judged = judgeBars([bar('600001', DAY, change), bar('600002', DAY)], DAY)
  expect(judged.bars.map(({ symbol }) => symbol)).toEqual(['600002'])
  expect(judged.faults.map(({ symbol }) => symbol)).toEqual(['600001'])
})

test('a bar without an amount is stored without one', () => {
  expect(judgeBars([bar('600001', DAY, { amount: null })], DAY).bars[0]?.amount).toBeNull()
})

test('of rows that came twice the later one counts', () => {
  const judged = judgeBars([bar('600001', DAY), bar('600001', DAY, { close: 10.3 })], DAY)
  expect(judged.bars).toHaveLength(1)
  expect(judged.bars[0]?.close).toBe(10.3)
})

test('symbols keep their leading zeros and know their exchange', () => {
  expect(symbolOfTsCode('000001.SZ')).toBe('000001')
  expect(symbolOfTsCode('920001.BJ')).toBe('920001')
  expect(symbolOfTsCode('00700.HK')).toBeNull()
  expect(symbolOfTsCode('000001')).toBeNull()
  // An index of Shanghai's, not the bank in Shenzhen.
  expect(symbolOfTsCode('000001.SH')).toBeNull()
  expect(['600519', '688981', '000001', '300750', '920001', '830799'].map(tsCodeOf)).toEqual([
    '600519.SH',
    '688981.SH',
    '000001.SZ',
    '300750.SZ',
    '920001.BJ',
    '830799.BJ',
  ])
  expect(['900901', '200002', '159915', '510300'].filter(isAShare)).toEqual([])
})
