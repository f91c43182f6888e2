import { type Day, parseDay, toCompactDay } from '../days.ts'
import { isAShare, type Symbol6, symbolOfTsCode, tsCodeOf } from '../symbols.ts'
import {
  type Board,
  type BoardType,
  type CalendarDay,
  type DailyBar,
  lotsToShares,
  type MarketSource,
  type Stock,
  thousandsToYuan,
} from './source.ts'
import { type Cell, TushareClient, type TushareOptions, type TushareRow } from './tushare-client.ts'

/** Tonghuashun's letters for the kinds of boards. */
const THS_TYPES: Readonly<Record<BoardType, string>> = { industry: 'I', concept: 'N' }
/** Up to so many codes are asked for by name; more cost no less than the whole market's day. */
const MAX_CODES_PER_REQUEST = 100

/** The Tushare Pro HTTP API. A whole market's day is one request. */
export function createTushareSource(options: TushareOptions): MarketSource {
  const client = new TushareClient(options)

  return {
    name: 'tushare',
    async calendar(from, to, signal) {
      const rows = await client.query(
        {
          api: 'trade_cal',
          params: { exchange: 'SSE', start_date: toCompactDay(from), end_date: toCompactDay(to) },
          fields: ['cal_date', 'is_open'],
          pageSize: 2_000,
        },
        signal,
      )
      return rows.flatMap(toCalendarDay)
    },
    async stocks(signal) {
      const rows = await client.query(
        {
          api: 'stock_basic',
          params: { list_status: 'L' },
          fields: ['ts_code', 'name', 'list_date'],
          pageSize: 6_000,
        },
        signal,
      )
      return rows.flatMap(toStock)
    },
    async boards(type, signal) {
      const types: readonly BoardType[] = type ? [type] : ['industry', 'concept']
      const boards: Board[] = []
      for (const each of types) boards.push(...(await queryBoards(client, each, signal)))
      return boards
    },
    async boardMembers(board, signal) {
      const rows = await client.query(
        {
          api: 'ths_member',
          params: { ts_code: board.code },
          fields: ['ts_code', 'con_code'],
          pageSize: 5_000,
        },
        signal,
      )
      // A board may hold what lists elsewhere; that is no member here.
      return rows.flatMap((row) => symbolOfTsCode(toText(row.con_code)) ?? [])
    },
    async dailyBars(date, signal, symbols) {
      const bars = await queryBars(client, date, symbols, signal)
      const wanted = symbols && new Set(symbols)
      return wanted ? bars.filter((bar) => wanted.has(bar.symbol)) : bars
    },
  }
}

async function queryBoards(client: TushareClient, type: BoardType, signal: AbortSignal): Promise<Board[]> {
  const rows = await client.query(
    {
      api: 'ths_index',
      params: { exchange: 'A', type: THS_TYPES[type] },
      fields: ['ts_code', 'name'],
      pageSize: 5_000,
    },
    signal,
  )
  return rows.map((row) => ({ code: toText(row.ts_code), name: toText(row.name), type }))
}

async function queryBars(
  client: TushareClient,
  date: Day,
  symbols: readonly Symbol6[] | undefined,
  signal: AbortSignal,
): Promise<DailyBar[]> {
  const codes = symbols?.flatMap((symbol) => tsCodeOf(symbol) ?? []) ?? []
  const byName = codes.length > 0 && codes.length <= MAX_CODES_PER_REQUEST
  const rows = await client.query(
    {
      api: 'daily',
      params: { trade_date: toCompactDay(date), ...(byName ? { ts_code: codes.join(',') } : {}) },
      fields: ['ts_code', 'trade_date', 'open', 'high', 'low', 'close', 'vol', 'amount'],
      pageSize: 6_000,
    },
    signal,
  )
  return rows.map(toBar)
}

function toCalendarDay(row: TushareRow): CalendarDay[] {
  const day = parseDay(toText(row.cal_date))
  // Documented as text, seen as a number.
  return day === null ? [] : [{ day, isOpen: Number(row.is_open) === 1 }]
}

function toStock(row: TushareRow): Stock[] {
  const symbol = symbolOfTsCode(toText(row.ts_code))
  if (symbol === null || !isAShare(symbol)) return []
  return [{ symbol, name: toText(row.name), listDate: parseDay(toText(row.list_date)) }]
}

function toBar(row: TushareRow): DailyBar {
  const tsCode = toText(row.ts_code)
  return {
    // A code from elsewhere stays as it is; no stock has it, so its bar is not stored.
    symbol: symbolOfTsCode(tsCode) ?? tsCode,
    date: parseDay(toText(row.trade_date)),
    open: toNumber(row.open),
    high: toNumber(row.high),
    low: toNumber(row.low),
    close: toNumber(row.close),
    volume: lotsToShares(toNumber(row.vol)),
    amount: thousandsToYuan(toNumber(row.amount)),
  }
}

function toText(cell: Cell | undefined): string {
  return cell === null || cell === undefined ? '' : String(cell).trim()
}

/** Null for an empty cell and for what is no number: such a bar is refused by itself, not the whole day. */
function toNumber(cell: Cell | undefined): number | null {
  const text = toText(cell)
  const number = Number(text)
  return text === '' || !Number.isFinite(number) ? null : number
}
