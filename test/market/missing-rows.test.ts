import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { createFilesSource } from '../../src/market/sources/files.ts'
import { type MarketServer, startMarketServer } from './support/market-server.ts'

const DAY = '2019-01-02'
const CODES = ['000001.SZ', '000002.SZ', '300750.SZ', '600519.SH', '920001.BJ']
const BAR_HEADER = 'ts_code,trade_date,open,high,low,close,vol,amount'

let folder: string
let server: MarketServer

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'market-rows-'))
  server = await startMarketServer(createFilesSource(folder), { today: '2019-06-01' })
})

afterAll(async () => {
  await server.close()
  await rm(folder, { recursive: true })
})

beforeEach(async () => {
  await server.database.pool.query(
    'truncate stocks, sectors, sector_stocks, daily_market_data, market_finished_units',
  )
  await rm(folder, { recursive: true })
  await mkdir(join(folder, 'daily'), { recursive: true })
  const stocks = CODES.map((code) => `${code},名${code},20100104`)
  await write('stock_basic.csv', 'ts_code,name,list_date', ...stocks)
  await write('trade_cal.csv', 'exchange,cal_date,is_open', 'SSE,20190102,1', 'SSE,20190103,0')
  await write('boards.csv', 'code,name,type', 'I1,银行,industry', 'C1,锂电池,concept')
  await write('board_members.csv', 'board_code,ts_code', 'I1,000001.SZ', 'C1,300750.SZ')
  await write('daily/20190102.csv', BAR_HEADER, ...CODES.map((code) => barLine(code)))
})

const write = (file: string, ...lines: string[]) => writeFile(join(folder, file), `${lines.join('\n')}\n`)
const barLine = (code: string, vol = '5000') => `${code},20190102,10,11,9,10.5,${vol},5250`

async function runDay(targetDate = DAY) {
  const ended = await server.run('backfill_by_date', { targetDate })
  return { ...ended, warnings: await warningsOf(ended.taskId) }
}

async function warningsOf(taskId: string): Promise<string[]> {
  return (await server.logs(taskId)).filter(({ level }) => level === 'WARNING').map(({ message }) => message)
}

async function finishedUnits(): Promise<number> {
  return server.count('market_finished_units')
}

test('a whole day has no warning and nothing missing', async () => {
  await server.run('init_stocks')
  expect(await runDay()).toMatchObject({
    status: 'completed',
    result: { created: 5, missing: 0, invalid: 0, unknown: 0 },
    warnings: [],
  })
})

test('a day published in part is counted and warned of, and not marked as finished', async () => {
  await server.run('init_stocks')
  await write('daily/20190102.csv', BAR_HEADER, barLine('000001.SZ'))
  // The second day fails, so that the attempt's marks are kept.
  await write('trade_cal.csv', 'cal_date,is_open', '20190102,1', '20190103,1')
  await write('daily/20190103.csv', 'ts_code')
  const ended = await server.run('backfill_by_range', { startDate: DAY, endDate: '2019-01-03' })
  expect(ended.status).toBe('failed')
  expect(await warningsOf(ended.taskId)).toContain(
    `${DAY}: 4 of 5 listed stocks have no bar; the day may be published in part`,
  )
  expect(await finishedUnits()).toBe(0)
  await rm(join(folder, 'daily/20190103.csv'))
  await write('trade_cal.csv', 'cal_date,is_open', '20190102,1', '20190103,0')
  expect(await runDay()).toMatchObject({ status: 'completed', result: { skipped: 1, missing: 4 } })
})

test('a day of which every bar is refused is warned of and not marked', async () => {
  await server.run('init_stocks')
  await write('daily/20190102.csv', BAR_HEADER, ...CODES.map((code) => barLine(code, 'many')))
  const { result, warnings } = await runDay()
  expect(result).toMatchObject({ created: 0, invalid: 5 })
  expect(warnings[0]).toBe(
    `${DAY}: 5 rows are left out, the first: daily/20190102.csv, line 2, column 'vol': 'many' is not a number`,
  )
})

test('one suspended stock of many is counted, and warned of once for the run', async () => {
  await server.run('init_stocks')
  const codes = Array.from({ length: 20 }, (_, index) => `60${1000 + index}.SH`)
  await write('stock_basic.csv', 'ts_code,name,list_date', ...codes.map((code) => `${code},名,20100104`))
  await server.database.pool.query('truncate stocks cascade')
  await server.run('init_stocks')
  await write('daily/20190102.csv', BAR_HEADER, ...codes.slice(1).map((code) => barLine(code)))
  const { result, warnings } = await runDay()
  expect(result).toMatchObject({ created: 19, missing: 1 })
  expect(warnings).toEqual([expect.stringMatching(/^1 bars are missing of stocks that were listed/)])
})

test('bars of stocks that are not loaded are a warning when they are all there is', async () => {
  await server.run('init_stocks')
  await write('daily/20190102.csv', BAR_HEADER, barLine('601398.SH'), barLine('601857.SH'))
  const { result, warnings } = await runDay()
  expect(result).toMatchObject({ created: 0, unknown: 2 })
  expect(warnings.join('\n')).toContain('none of the 2 bars is of a stock that is loaded (601398, …)')
})

test('a volume that is missing beside an amount is a fault, not a suspension', async () => {
  await server.run('init_stocks')
  await write(
    'daily/20190102.csv',
    BAR_HEADER,
    ...CODES.map((code, i) => barLine(code, i === 0 ? '' : '5000')),
  )
  expect((await runDay()).result).toMatchObject({ created: 4, invalid: 1, suspended: 0 })
})

test.each(['', 'null', 'True', '2', 'yes', '1.0'])(
  'a calendar cell %j is warned of, and the day is loaded',
  async (cell) => {
    await server.run('init_stocks')
    await write('trade_cal.csv', 'exchange,cal_date,is_open', `SSE,20190102,${cell}`)
    const { result, warnings } = await runDay()
    expect(result).toMatchObject({ created: 5 })
    expect(warnings[0]).toContain(`trade_cal.csv, line 2, column 'is_open': '${cell}' is neither 0 nor 1`)
  },
)

test('a corrected calendar is read again without a restart, for past years too', async () => {
  await server.run('init_stocks')
  await write('trade_cal.csv', 'cal_date,is_open', '20190102,0')
  expect((await runDay()).result).toMatchObject({ created: 0, days: 0 })
  await write('trade_cal.csv', 'cal_date,is_open', '20190102,1')
  expect((await runDay()).result).toMatchObject({ created: 5, days: 1 })
})

test('exchanges that disagree about a day are warned of, each time, and the day is loaded', async () => {
  await server.run('init_stocks')
  const lines = ['SSE,20190102,1', 'SZSE,20190102,0', 'CFFEX,20190102,0']
  await write('trade_cal.csv', 'exchange,cal_date,is_open', ...lines)
  for (const created of [5, 0]) {
    const { result, warnings } = await runDay()
    expect(result).toMatchObject({ created, days: 1 })
    expect(warnings[0]).toContain(`${DAY} is open in one row and closed in another`)
  }
})

test('a file in another encoding is refused by file and line, and overwrites no name', async () => {
  await server.run('init_stocks')
  // 平安 in GBK.
  const name = Buffer.from([0xc6, 0xbd, 0xb0, 0xb2])
  const before = Buffer.from('ts_code,name,list_date\n000002.SZ,good,20100104\n000001.SZ,')
  await writeFile(join(folder, 'stock_basic.csv'), Buffer.concat([before, name, Buffer.from(',20100104\n')]))
  expect(await server.run('init_stocks')).toMatchObject({
    status: 'failed',
    error: expect.stringMatching(/^stock_basic\.csv, line 3: is not UTF-8; save .*stock_basic\.csv as UTF-8/),
  })
  const { rows } = await server.database.pool.query("select name from stocks where symbol = '000001'")
  expect(rows).toEqual([{ name: '名000001.SZ' }])
})

test.each(['nan', 'None', 'NULL', '-', '名\u0000', '平\ufffd', 'Æ½°²', '#N/A'])(
  'a name %j overwrites nothing, costs its row alone and is named',
  async (name) => {
    await server.run('init_stocks')
    const others = CODES.slice(1).map((code) => `${code},新${code},20100104`)
    await write('stock_basic.csv', 'ts_code,name,list_date', `000001.SZ,${name},20100104`, ...others)
    const ended = await server.run('init_stocks')
    expect(ended).toMatchObject({ status: 'completed', result: { updated: 4, invalid: 1 } })
    expect((await warningsOf(ended.taskId))[0]).toContain("stock_basic.csv, line 2, column 'name'")
    const { rows } = await server.database.pool.query("select name from stocks where symbol = '000001'")
    expect(rows).toEqual([{ name: '名000001.SZ' }])
  },
)

test('line ends of every kind may be mixed in one file', async () => {
  const lines = CODES.map((code) => `${code},名,20100104`)
  await writeFile(
    join(folder, 'stock_basic.csv'),
    `ts_code,name,list_date\r\n${lines.join('\n').replace('\n', '\r')}`,
  )
  expect((await server.run('init_stocks')).result).toMatchObject({ created: 5, invalid: 0 })
})

test('codes that are retired and boards of other types are ignored, what is loaded stays whole', async () => {
  await write(
    'stock_basic.csv',
    'ts_code,name,list_date',
    'T00018.SH,上港集箱,20000719',
    '000001.SZ,平安银行,19910403',
  )
  expect((await server.run('init_stocks')).result).toMatchObject({ created: 1, invalid: 0 })
  await write('boards.csv', 'code,name,type', 'I1,银行,industry', 'C1,锂电池,concept', 'R1,上海,region')
  expect((await server.run('init_sectors')).result).toMatchObject({ created: 2, invalid: 0 })
})

describe.each(['000001', '000001.sz', 'sz.000001', '1.SZ', '000001.XSHE'])(
  'members written as %s',
  (code) => {
    test('are reported with file and line, and boards that end up empty are warned of', async () => {
      await write('board_members.csv', 'board_code,ts_code', `I1,${code}`, `C1,${code}`)
      const ended = await server.run('init_sectors')
      expect(ended).toMatchObject({ status: 'completed', result: { relationsCreated: 0, invalid: 2 } })
      expect((await warningsOf(ended.taskId)).join('\n')).toMatch(
        /board_members\.csv, line 2, column 'ts_code': .* is not a code such as[\s\S]*none of 2 boards has a member/,
      )
    })
  },
)

test('members of boards that are not listed are counted', async () => {
  await write('board_members.csv', 'board_code,ts_code', 'I1,000001.SZ', 'I9,000002.SZ', ',600519.SH')
  const ended = await server.run('init_sectors')
  expect(ended.result).toMatchObject({ relationsCreated: 1 })
  const [warning] = (await server.logs(ended.taskId)).filter(({ level }) => level === 'WARNING')
  expect(warning?.data).toMatchObject({
    faults: [
      "board_members.csv, line 4, column 'board_code': is empty",
      'board_members.csv: 1 members are of 1 boards that boards.csv does not list (I9)',
    ],
  })
})

test('a folder that does not exist fails the task for good and is named', async () => {
  await server.run('init_stocks')
  await rm(join(folder, 'daily'), { recursive: true })
  expect(await runDay()).toMatchObject({
    status: 'failed',
    error: expect.stringContaining(`${join(folder, 'daily')} does not exist; check MARKET_FILES_DIR`),
  })
  await rm(join(folder, 'boards.csv'))
  expect(await server.run('init_sectors')).toMatchObject({
    status: 'failed',
    error: `boards.csv is missing in the folder of market files, ${folder}`,
  })
})
