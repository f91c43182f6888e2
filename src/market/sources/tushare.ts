import { type Day, toCompactDay } from '../days.ts'
import { type Symbol6, tsCodeOf } from '../symbols.ts'
import { BAR_COLUMNS, readBar, readCalendarDay, readStock } from './read-rows.ts'
import { Row, readRows } from './row.ts'
import type { Board, BoardType, DailyBar, MarketSource, SourceCall } from './source.ts'
import { TushareClient, type TushareOptions, type TushareQuery } from './tushare-client.ts'

/** Tonghuashun's letters for the kinds of boards. */
const THS_TYPES: Readonly<Record<BoardType, string>> = { industry: 'I', concept: 'N' }
/** Up to so many codes are asked for by name; more cost no less than the whole market's day. */
const MAX_CODES_PER_REQUEST = 100

/** The Tushare Pro HTTP API. A whole market's day is one request. */
export function createTushareSource(options: TushareOptions): MarketSource {
  const client = new TushareClient(options)

  return {
    name: 'tushare',
    async calendar(from, to, call) {
      const rows = await queryRows(
        client,
        {
          api: 'trade_cal',
          params: { exchange: 'SSE', start_date: toCompactDay(from), end_date: toCompactDay(to) },
          fields: ['cal_date', 'is_open'],
          pageSize: 2_000,
        },
        call,
      )
      return readRows(rows, call, readCalendarDay)
    },
    async stocks(call) {
      const rows = await queryRows(
        client,
        {
          api: 'stock_basic',
          params: { list_status: 'L' },
          fields: ['ts_code', 'name', 'list_date'],
          pageSize: 6_000,
        },
        call,
      )
      return readRows(rows, call, readStock)
    },
    async boards(type, call) {
      const types: readonly BoardType[] = type ? [type] : ['industry', 'concept']
      const boards: Board[] = []
      for (const each of types) boards.push(...(await queryBoards(client, each, call)))
      return boards
    },
    async boardMembers(board, call) {
      const rows = await queryRows(
        client,
        {
          api: 'ths_member',
          params: { ts_code: board.code },
          fields: ['ts_code', 'con_code'],
          pageSize: 5_000,
        },
        call,
      )
      // A board may hold what lists elsewhere; that is no member here.
      return readRows(rows, call, (row) => row.symbol('con_code'))
    },
    async dailyBars(date, call, symbols) {
      const bars = await queryBars(client, date, symbols, call)
      const wanted = symbols && new Set(symbols)
      return wanted ? bars.filter((bar) => wanted.has(bar.symbol)) : bars
    },
  }
}

async function queryBoards(client: TushareClient, type: BoardType, call: SourceCall): Promise<Board[]> {
  const rows = await queryRows(
    client,
    {
      api: 'ths_index',
      params: { exchange: 'A', type: THS_TYPES[type] },
      fields: ['ts_code', 'name'],
      pageSize: 5_000,
    },
    call,
  )
  return readRows(rows, call, (row) => ({ code: row.text('ts_code'), name: row.usableName('name'), type }))
}

async function queryBars(
  client: TushareClient,
  date: Day,
  symbols: readonly Symbol6[] | undefined,
  call: SourceCall,
): Promise<DailyBar[]> {
  const codes = symbols?.flatMap((symbol) => tsCodeOf(symbol) ?? []) ?? []
  const byName = codes.length > 0 && codes.length <= MAX_CODES_PER_REQUEST
  const rows = await queryRows(
    client,
    {
      api: 'daily',
      params: { trade_date: toCompactDay(date), ...(byName ? { ts_code: codes.join(',') } : {}) },
      fields: BAR_COLUMNS,
      pageSize: 6_000,
    },
    call,
  )
  return readRows(rows, call, readBar)
}

/** All rows of a query, each readable by column name. */
async function queryRows(client: TushareClient, query: TushareQuery, call: SourceCall): Promise<Row[]> {
  const rows = await client.query(query, call)
  return rows.map((cells, index) => {
    const code = cells.ts_code ?? cells.cal_date
    const place = `tushare ${query.api}, row ${index + 1}${code === undefined ? '' : ` (${code})`}`
    return new Row(place, (column) => cells[column])
  })
}
