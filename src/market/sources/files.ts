import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { PermanentError } from '../../engine/definition/errors.ts'
import { type Day, toCompactDay } from '../days.ts'
import type { Symbol6 } from '../symbols.ts'
import { readCsv, versionOf } from './csv.ts'
import { BAR_COLUMNS, readBar, readCalendarDay, readStock } from './read-rows.ts'
import { type Row, readRows } from './row.ts'
import {
  BOARD_TYPES,
  type Board,
  type BoardType,
  type CalendarDay,
  type MarketSource,
  type SourceCall,
} from './source.ts'

/** Kinds of boards that Tushare has beside those that are loaded. */
const OTHER_BOARD_TYPES = ['region', 'area', 'style', 'theme', 'special', 'broad']
/** Futures exchanges have calendars of their own. */
const STOCK_EXCHANGES = /^(|SSE|SZSE|BSE)$/i
/** Boards named in one message. */
const MAX_NAMED_BOARDS = 5

/**
 * A folder of CSVs with Tushare's columns and units: `stock_basic.csv`, `trade_cal.csv`, `boards.csv`,
 * `board_members.csv` and `daily/YYYYMMDD.csv`. The big list of members is read once and again when it changes;
 * a day's bars are read when they are asked for and not kept.
 */
export function createFilesSource(folder: string): MarketSource {
  const membersOf = cached(folder, 'board_members.csv', (call) => readMembers(folder, call))

  return {
    name: 'files',
    async calendar(from, to, call) {
      const rows = await requireCsv(folder, 'trade_cal.csv', ['cal_date', 'is_open'], call)
      const listed = rows.filter((row) => STOCK_EXCHANGES.test(row.optionalText('exchange')))
      const days = readRows(listed, call, readCalendarDay).filter(({ day }) => day >= from && day <= to)
      return withoutContradictions(days, call)
    },
    calendarVersion: () => versionOf(folder, 'trade_cal.csv'),
    async stocks(call) {
      const rows = await requireCsv(folder, 'stock_basic.csv', ['ts_code', 'name', 'list_date'], call)
      return readRows(rows, call, readStock)
    },
    async boards(type, call) {
      const rows = await requireCsv(folder, 'boards.csv', ['code', 'name', 'type'], call)
      const boards = readRows(rows, call, readBoard)
      // Without that file no member is lost here: the request for members fails.
      if ((await versionOf(folder, 'board_members.csv')) !== undefined) {
        reportLostMembers(await membersOf(call), new Set(rows.map((row) => row.optionalText('code'))), call)
      }
      return boards.filter((board) => type === undefined || board.type === type)
    },
    async boardMembers(board, call) {
      const { byBoard, faults } = await membersOf(call)
      for (const problem of faults.get(board.code) ?? []) call.fault(problem)
      return byBoard.get(board.code) ?? []
    },
    async dailyBars(date, call, symbols) {
      const file = `daily/${toCompactDay(date)}.csv`
      const rows = await readCsv(folder, file, BAR_COLUMNS, call)
      // A day without a file is a day without bars, which the task reports. A folder that is not there is a mistake.
      if (rows === undefined) requireFolder(join(folder, 'daily'))
      const bars = readRows(rows ?? [], call, readBar)
      const wanted = symbols && new Set(symbols)
      return wanted ? bars.filter((bar) => wanted.has(bar.symbol)) : bars
    },
  }
}

async function requireCsv(
  folder: string,
  file: string,
  columns: readonly string[],
  call: SourceCall,
): Promise<Row[]> {
  const rows = await readCsv(folder, file, columns, call)
  if (rows !== undefined) return rows
  requireFolder(folder)
  throw new PermanentError(`${file} is missing in the folder of market files, ${folder}`)
}

function requireFolder(folder: string): void {
  if (!existsSync(folder)) {
    throw new PermanentError(`the folder of market files ${folder} does not exist; check MARKET_FILES_DIR`)
  }
}

interface Members {
  readonly byBoard: ReadonlyMap<string, Symbol6[]>
  /** By board; what names no board is under the empty text. */
  readonly faults: ReadonlyMap<string, readonly string[]>
}

async function readMembers(folder: string, call: SourceCall): Promise<Members> {
  const byBoard = new Map<string, Symbol6[]>()
  const faults = new Map<string, string[]>()
  const add = <Item>(map: Map<string, Item[]>, board: string, item: Item) => {
    const items = map.get(board)
    if (items) items.push(item)
    else map.set(board, [item])
  }
  let board = ''
  const keep = (problem: string) => add(faults, board, problem)
  const rows = await requireCsv(folder, 'board_members.csv', ['board_code', 'ts_code'], {
    ...call,
    fault: keep,
  })
  readRows(rows, { ...call, fault: keep }, (row) => {
    board = row.optionalText('board_code')
    row.text('board_code')
    const symbol = row.symbol('ts_code')
    // What lists elsewhere is no member here.
    if (symbol !== null) add(byBoard, board, symbol)
    return null
  })
  return { byBoard, faults }
}

/** Members that belong to no listed board would be lost without a report. */
function reportLostMembers(
  { byBoard, faults }: Members,
  listed: ReadonlySet<string>,
  call: SourceCall,
): void {
  for (const problem of faults.get('') ?? []) call.fault(problem)
  const lost = [...byBoard.keys()].filter((code) => !listed.has(code))
  if (lost.length === 0) return
  const count = lost.reduce((sum, code) => sum + (byBoard.get(code)?.length ?? 0), 0)
  const named = lost.slice(0, MAX_NAMED_BOARDS).join(', ')
  call.fault(
    `board_members.csv: ${count} members are of ${lost.length} boards that boards.csv does not list (${named}${lost.length > MAX_NAMED_BOARDS ? ', …' : ''})`,
  )
}

/** Keeps what was read until the file is another. A read that fails is not kept. */
function cached<Value>(folder: string, file: string, read: (call: SourceCall) => Promise<Value>) {
  let kept: { version: string | undefined; value: Value } | undefined
  return async (call: SourceCall): Promise<Value> => {
    const version = await versionOf(folder, file)
    if (kept?.version !== version || kept === undefined) kept = { version, value: await read(call) }
    return kept.value
  }
}

function readBoard(row: Row): Board | null {
  const name = row.text('type')
  if (OTHER_BOARD_TYPES.includes(name)) return null
  const type = BOARD_TYPES.find((known): known is BoardType => known === name)
  if (!type) throw row.fault('type', `'${name}' is neither 'industry' nor 'concept'`)
  return { code: row.text('code'), name: row.usableName('name'), type }
}

/** A day that one row calls open and another closed is left out: the calendar lacks it. */
function withoutContradictions(days: readonly CalendarDay[], call: SourceCall): CalendarDay[] {
  const byDay = new Map<Day, CalendarDay>()
  const contradicted = new Set<Day>()
  for (const entry of days) {
    if ((byDay.get(entry.day)?.isOpen ?? entry.isOpen) !== entry.isOpen) contradicted.add(entry.day)
    byDay.set(entry.day, entry)
  }
  for (const day of contradicted) {
    call.fault(`trade_cal.csv: ${day} is open in one row and closed in another`)
    byDay.delete(day)
  }
  return [...byDay.values()]
}
