import type pg from 'pg'
import { createTaskRegistry } from '../../engine/definition/registry.ts'
import type { AnyTask } from '../../engine/definition/task-reference.ts'
import { currentTick } from '../../engine/schedules/current-tick.ts'
import { type Day, todayInShanghai } from '../days.ts'
import type { MarketSource } from '../sources/source.ts'
import { createTradingCalendar } from '../trading-days.ts'
import { registerBackfillByDate } from './backfill-by-date.ts'
import { registerBackfillByRange } from './backfill-by-range.ts'
import { registerInitSectors } from './init-sectors.ts'
import { registerInitStocks } from './init-stocks.ts'

export interface MarketTasksOptions {
  /** Where the market tables are; used, never ended. */
  pool: pg.Pool
  /** One for the process: its rate limit is that of all tasks. */
  source: MarketSource
  /** The day it is in Asia/Shanghai; at a schedule's tick, the day of the tick. For tests. */
  today?: () => Day
}

/** The bundled server's handlers, for the plugin's `tasks`. */
export function createMarketTasks(options: MarketTasksOptions): AnyTask[] {
  const { pool, source, today = () => todayInShanghai(currentTick()) } = options
  const registry = createTaskRegistry()
  const market = { pool, source, today, calendar: createTradingCalendar(source, today) }
  return [
    registerInitSectors(registry, market),
    registerInitStocks(registry, market),
    registerBackfillByDate(registry, market),
    registerBackfillByRange(registry, market),
  ]
}
