import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createFilesSource } from '../../src/market/sources/files.ts'
import type { MarketSource } from '../../src/market/sources/source.ts'
import { recordingCall } from './support/scripted-source.ts'

let call: ReturnType<typeof recordingCall>
const BAR_HEADER = 'ts_code,trade_date,open,high,low,close,pre_close,change,pct_chg,vol,amount'
const BAR = '000001.SZ,20190102,9.39,9.42,9.16,9.19,9.38,-0.19,-2.0256,539386.32,498695.109'

let folder: string
let source: MarketSource

beforeEach(async () => {
  call = recordingCall()
  folder = await mkdtemp(join(tmpdir(), 'market-files-'))
  source = createFilesSource(folder)
  await mkdir(join(folder, 'daily'))
})

afterEach(() => rm(folder, { recursive: true }))

const write = (file: string, ...lines: string[]) => writeFile(join(folder, file), lines.join('\n'))

test("a day's bars are read in shares and yuan", async () => {
  await write('daily/20190102.csv', BAR_HEADER, BAR)
  expect(await source.dailyBars('2019-01-02', call)).toEqual([
    {
      symbol: '000001',
      date: '2019-01-02',
      open: 9.39,
      high: 9.42,
      low: 9.16,
      close: 9.19,
      volume: 53_938_632,
      amount: 498_695_109,
    },
  ])
})

test('columns go by name; a byte order mark, Windows line ends and empty lines do no harm', async () => {
  const text =
    '\uFEFFvol,amount,close,low,high,open,trade_date,ts_code\r\n\r\n1,2,3,3,3,3,2019-01-02,600519.SH\r\n'
  await write('daily/20190102.csv', text)
  expect(await source.dailyBars('2019-01-02', call)).toMatchObject([{ symbol: '600519', volume: 100 }])
})

test('an empty field is a missing value, not a zero', async () => {
  await write('daily/20190102.csv', BAR_HEADER, '000001.SZ,20190102,,9.42,9.16,9.19,,,,,')
  expect(await source.dailyBars('2019-01-02', call)).toMatchObject([
    { open: null, volume: null, amount: null },
  ])
})

test('only the stocks asked for are given, and a day without a file has no bars', async () => {
  await write('daily/20190102.csv', BAR_HEADER, BAR)
  expect(await source.dailyBars('2019-01-02', call, ['600519'])).toEqual([])
  expect(await source.dailyBars('2019-01-03', call)).toEqual([])
})

test.each([
  ['9.39', 'n/a', "daily/20190102.csv, line 3, column 'open': 'n/a' is not a number"],
  ['539386.32', '1e999', "daily/20190102.csv, line 3, column 'vol': '1e999' is not a number"],
  [
    '20190102',
    '20190230',
    "daily/20190102.csv, line 3, column 'trade_date': '20190230' is not a date (YYYYMMDD)",
  ],
  ['000001.SZ', '', "daily/20190102.csv, line 3, column 'ts_code': is empty"],
  ['539386.32', '"539,386.32"', "daily/20190102.csv, line 3, column 'vol': '539,386.32' is not a number"],
  ['539386.32', '0x10', "daily/20190102.csv, line 3, column 'vol': '0x10' is not a number"],
  ['539386.32', 'nan', "daily/20190102.csv, line 3, column 'vol': 'nan' is not a number"],
  ['000001.SZ', '000001', "daily/20190102.csv, line 3, column 'ts_code': '000001' is not a code such as"],
  ['000001.SZ', 'sz.000001', "daily/20190102.csv, line 3, column 'ts_code': 'sz.000001' is not a code"],
  ['000001.SZ', '000001.sz', "daily/20190102.csv, line 3, column 'ts_code': '000001.sz' is not a code"],
  ['000001.SZ', '600519.SS', "daily/20190102.csv, line 3, column 'ts_code': '600519.SS' is not a code"],
  ['000001.SZ', '"000001.SZ', 'daily/20190102.csv, line 3: has a quote that is not closed'],
  [',498695.109', '', 'daily/20190102.csv, line 3: has 10 fields, not 11'],
])(
  '%s as %j costs its line alone, and is reported by file, line and column',
  async (right, wrong, message) => {
    await write(
      'daily/20190102.csv',
      BAR_HEADER,
      BAR,
      BAR.replace(right, wrong),
      BAR.replace('000001', '000002'),
    )
    const bars = await source.dailyBars('2019-01-02', call)
    expect(bars.map(({ symbol }) => symbol)).toEqual(['000001', '000002'])
    expect(call.faults).toEqual([expect.stringContaining(message)])
  },
)

test('a missing column and a missing file are named', async () => {
  await write('daily/20190102.csv', 'ts_code,trade_date', '000001.SZ,20190102')
  await expect(source.dailyBars('2019-01-02', call)).rejects.toThrow(
    /^daily\/20190102\.csv, line 1: column 'open', .* is missing/,
  )
  await expect(source.stocks(call)).rejects.toThrow('stock_basic.csv is missing')
  await expect(source.calendar('2019-01-01', '2019-12-31', call)).rejects.toThrow('trade_cal.csv is missing')
})

test('stocks are read with their list dates; B shares are left out', async () => {
  await write(
    'stock_basic.csv',
    'ts_code,symbol,name,area,industry,list_date',
    '000002.SZ,000002,"万  科Ａ",深圳,全国地产,19910129',
    '920001.BJ,920001,北样,北京,机械,',
    '900901.SH,900901,云赛Ｂ股,上海,元器件,19920221',
  )
  expect(await source.stocks(call)).toEqual([
    { symbol: '000002', name: '万  科Ａ', listDate: '1991-01-29' },
    { symbol: '920001', name: '北样', listDate: null },
  ])
})

test('boards are of two types; other known types are ignored, and unknown ones reported', async () => {
  await write('boards.csv', 'code,name,type', 'I1,银行,industry', 'C1,锂电池,concept')
  expect(await source.boards('concept', call)).toEqual([{ code: 'C1', name: '锂电池', type: 'concept' }])
  await write('boards.csv', 'code,name,type', 'R1,上海,region', 'X1,银行,industy')
  expect(await source.boards(undefined, call)).toEqual([])
  expect(call.faults).toEqual([
    "boards.csv, line 3, column 'type': 'industy' is neither 'industry' nor 'concept'",
  ])
})

test('members are kept until their file changes', async () => {
  const board = { code: 'I1', name: '银行', type: 'industry' } as const
  await write('board_members.csv', 'board_code,ts_code', 'I1,000001.SZ', 'I1,00939.HK', 'I2,600036.SH')
  expect(await source.boardMembers(board, call)).toEqual(['000001'])
  await write('board_members.csv', 'board_code,ts_code', 'I1,000001.SZ', 'I1,600036.SH')
  await utimes(join(folder, 'board_members.csv'), new Date(), new Date(Date.now() + 5_000))
  expect(await source.boardMembers(board, call)).toEqual(['000001', '600036'])
  expect(await source.boardMembers({ ...board, code: 'I9' }, call)).toEqual([])
})

test('the calendar is cut to the range; is_open is 1 or 0', async () => {
  await write(
    'trade_cal.csv',
    'exchange,cal_date,is_open',
    'SSE,20190101,0',
    'SSE,20190102,1',
    'SSE,20190103,1',
  )
  expect(await source.calendar('2019-01-01', '2019-01-02', call)).toEqual([
    { day: '2019-01-01', isOpen: false },
    { day: '2019-01-02', isOpen: true },
  ])
})

test('an aborted signal stops the reading with its reason', async () => {
  await write('daily/20190102.csv', BAR_HEADER, BAR)
  const reason = new Error('cancelled')
  await expect(source.dailyBars('2019-01-02', recordingCall(AbortSignal.abort(reason)))).rejects.toBe(reason)
})
