import { isAShare } from '../symbols.ts'
import type { Row } from './row.ts'
import { type CalendarDay, type DailyBar, lotsToShares, type Stock, thousandsToYuan } from './source.ts'

/** The columns of Tushare's interface `daily`. */
export const BAR_COLUMNS = ['ts_code', 'trade_date', 'open', 'high', 'low', 'close', 'vol', 'amount']

export function readCalendarDay(row: Row): CalendarDay {
  const day = row.day('cal_date')
  if (day === null) throw row.fault('cal_date', 'is empty')
  return { day, isOpen: row.flag('is_open') }
}

/** Null for what is no A-share. */
export function readStock(row: Row): Stock | null {
  const symbol = row.symbol('ts_code')
  if (symbol === null || !isAShare(symbol)) return null
  return { symbol, name: row.usableName('name'), listDate: row.day('list_date') }
}

export function readBar(row: Row): DailyBar {
  return {
    // A code from elsewhere stays as it is: no stock has it, so its bar counts as unknown.
    symbol: row.symbol('ts_code') ?? row.text('ts_code'),
    date: row.day('trade_date'),
    open: row.number('open'),
    high: row.number('high'),
    low: row.number('low'),
    close: row.number('close'),
    volume: lotsToShares(row.number('vol')),
    amount: thousandsToYuan(row.number('amount')),
  }
}
