import { PermanentError } from '../../tasks/errors.ts'
import { toCompactDay } from '../days.ts'
import { isAShare, type Symbol6, symbolOfTsCode } from '../symbols.ts'
import { type CsvRow, readCsv, versionOf } from './csv.ts'
import {
  BOARD_TYPES,
  type Board,
  type BoardType,
  type CalendarDay,
  type DailyBar,
  lotsToShares,
  type MarketSource,
  type Stock,
  thousandsToYuan,
} from './source.ts'

const BAR_COLUMNS = ['ts_code', 'trade_date', 'open', 'high', 'low', 'close', 'vol', 'amount']

/**
 * A folder of CSVs with Tushare's columns and units: `stock_basic.csv`, `trade_cal.csv`, `boards.csv`,
 * `board_members.csv` and `daily/YYYYMMDD.csv`. The big list of members is read once and again when it changes;
 * a day's bars are read when they are asked for and not kept.
 */
export function createFilesSource(folder: string): MarketSource {
  const membersByBoard = cached(folder, 'board_members.csv', (signal) => readMembers(folder, signal))

  return {
    name: 'files',
    async calendar(from, to, signal) {
      const days = await requireCsv(folder, 'trade_cal.csv', ['cal_date', 'is_open'], signal, toCalendarDay)
      return days.filter(({ day }) => day >= from && day <= to)
    },
    async stocks(signal) {
      const columns = ['ts_code', 'name', 'list_date']
      const rows = await requireCsv(folder, 'stock_basic.csv', columns, signal, toStock)
      return rows.filter((stock) => isAShare(stock.symbol))
    },
    async boards(type, signal) {
      const rows = await requireCsv(folder, 'boards.csv', ['code', 'name', 'type'], signal, toBoard)
      return rows.filter((board) => type === undefined || board.type === type)
    },
    async boardMembers(board, signal) {
      const members = await membersByBoard(signal)
      return members.get(board.code) ?? []
    },
    async dailyBars(date, signal, symbols) {
      const file = `daily/${toCompactDay(date)}.csv`
      // A day without a file is a day without bars; the task says so.
      const bars = (await readCsv(folder, file, BAR_COLUMNS, signal, toBar)) ?? []
      const wanted = symbols && new Set(symbols)
      return wanted ? bars.filter((bar) => wanted.has(bar.symbol)) : bars
    },
  }
}

async function requireCsv<Row>(
  folder: string,
  file: string,
  columns: readonly string[],
  signal: AbortSignal,
  read: (row: CsvRow) => Row,
): Promise<Row[]> {
  const rows = await readCsv(folder, file, columns, signal, read)
  if (rows === undefined) throw new PermanentError(`${file} is missing in the folder of market files`)
  return rows
}

async function readMembers(folder: string, signal: AbortSignal): Promise<Map<string, Symbol6[]>> {
  const pairs = await requireCsv(folder, 'board_members.csv', ['board_code', 'ts_code'], signal, (row) => ({
    board: row.text('board_code'),
    symbol: symbolOfTsCode(row.text('ts_code')),
  }))
  const byBoard = new Map<string, Symbol6[]>()
  for (const { board, symbol } of pairs) {
    // What lists elsewhere is no member here.
    if (symbol === null) continue
    const symbols = byBoard.get(board)
    if (symbols) symbols.push(symbol)
    else byBoard.set(board, [symbol])
  }
  return byBoard
}

/** Keeps what was read until the file is another. An attempt to read that fails is not kept. */
function cached<Value>(folder: string, file: string, read: (signal: AbortSignal) => Promise<Value>) {
  let kept: { version: string | undefined; value: Value } | undefined
  return async (signal: AbortSignal): Promise<Value> => {
    const version = await versionOf(folder, file)
    if (kept?.version !== version || kept === undefined) kept = { version, value: await read(signal) }
    return kept.value
  }
}

function toCalendarDay(row: CsvRow): CalendarDay {
  const day = row.day('cal_date')
  if (day === null) throw row.fault('cal_date', 'is empty')
  return { day, isOpen: row.number('is_open') === 1 }
}

function toStock(row: CsvRow): Stock {
  const tsCode = row.text('ts_code')
  const symbol = symbolOfTsCode(tsCode)
  if (symbol === null) throw row.fault('ts_code', `'${tsCode}' is not a code such as 600519.SH`)
  return { symbol, name: row.text('name'), listDate: row.day('list_date') }
}

function toBoard(row: CsvRow): Board {
  const name = row.text('type')
  const type = BOARD_TYPES.find((known): known is BoardType => known === name)
  if (!type) throw row.fault('type', `'${name}' is neither 'industry' nor 'concept'`)
  return { code: row.text('code'), name: row.text('name'), type }
}

function toBar(row: CsvRow): DailyBar {
  const tsCode = row.text('ts_code')
  return {
    // A code from elsewhere stays as it is; no stock has it, so its bar is not stored.
    symbol: symbolOfTsCode(tsCode) ?? tsCode,
    date: row.day('trade_date'),
    open: row.number('open'),
    high: row.number('high'),
    low: row.number('low'),
    close: row.number('close'),
    volume: lotsToShares(row.number('vol')),
    amount: thousandsToYuan(row.number('amount')),
  }
}
