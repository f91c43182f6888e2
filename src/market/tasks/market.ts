import type pg from 'pg'
import type { Day } from '../days.ts'
import type { MarketSource } from '../sources/source.ts'
import type { TradingCalendar } from '../trading-days.ts'

/** What the four handlers share: one source, so one rate limit and one calendar for all tasks of the process. */
export interface Market {
  readonly pool: pg.Pool
  readonly source: MarketSource
  readonly calendar: TradingCalendar
  /** The day it is in Asia/Shanghai. */
  readonly today: () => Day
}
