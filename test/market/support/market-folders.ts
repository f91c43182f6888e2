import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSampleSource } from '../../../src/market/sources/sample.ts'
import { recordingCall } from './scripted-source.ts'

/** What a folder of market files holds. */
export interface MarketFolder {
  readonly folder: string
  readonly range: { readonly startDate: string; readonly endDate: string }
  readonly industries: number
  readonly concepts: number
  readonly relations: number
  readonly stocks: number
  readonly days: number
  readonly bars: number
}

/** The sample market, written down in Tushare's columns and units. */
export async function generateFolder(
  startDate: string,
  endDate: string,
): Promise<MarketFolder & { remove(): Promise<void> }> {
  const call = recordingCall()
  const sample = createSampleSource()
  const folder = await mkdtemp(join(tmpdir(), 'market-folder-'))
  const write = (file: string, header: string, lines: readonly string[]) =>
    writeFile(join(folder, file), `${[header, ...lines].join('\n')}\n`)
  const code = (symbol: string) =>
    `${symbol}.${symbol.startsWith('6') ? 'SH' : symbol.startsWith('9') ? 'BJ' : 'SZ'}`
  const compact = (day: string | null) => (day ?? '').replaceAll('-', '')

  const stocks = await sample.stocks(call)
  await write(
    'stock_basic.csv',
    'ts_code,symbol,name,area,industry,list_date',
    stocks.map((s) => `${code(s.symbol)},${s.symbol},${s.name},,,${compact(s.listDate)}`),
  )
  const boards = await sample.boards(undefined, call)
  await write(
    'boards.csv',
    'code,name,type',
    boards.map((board) => `${board.code},${board.name},${board.type}`),
  )
  const members = await Promise.all(
    boards.map(async (board) =>
      (await sample.boardMembers(board, call)).map((symbol) => `${board.code},${code(symbol)}`),
    ),
  )
  await write('board_members.csv', 'board_code,ts_code', members.flat())
  const calendar = await sample.calendar('2019-01-01', '2019-12-31', call)
  await write(
    'trade_cal.csv',
    'exchange,cal_date,is_open',
    calendar.map(({ day, isOpen }) => `SSE,${compact(day)},${Number(isOpen)}`),
  )

  await mkdir(join(folder, 'daily'))
  const days = calendar.filter(({ day, isOpen }) => isOpen && day >= startDate && day <= endDate)
  let bars = 0
  for (const { day } of days) {
    const rows = await sample.dailyBars(day, call)
    bars += rows.length
    await write(
      `daily/${compact(day)}.csv`,
      'ts_code,trade_date,open,high,low,close,vol,amount',
      rows.map(({ symbol, open, high, low, close, volume, amount }) =>
        [
          code(symbol),
          compact(day),
          open,
          high,
          low,
          close,
          (volume ?? 0) / 100,
          (amount ?? 0) / 1_000,
        ].join(),
      ),
    )
  }
  return {
    folder,
    range: { startDate, endDate },
    industries: 20,
    concepts: 20,
    relations: members.flat().length,
    stocks: stocks.length,
    days: days.length,
    bars,
    remove: () => rm(folder, { recursive: true }),
  }
}
