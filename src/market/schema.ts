import { sql } from 'drizzle-orm'
import {
  bigint,
  check,
  date,
  numeric,
  pgTable,
  primaryKey,
  text,
  timestamp,
  unique,
  varchar,
} from 'drizzle-orm/pg-core'
import { asyncTasks } from '../engine/store/schema.ts'

const instant = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' }).notNull().defaultNow()

/** A trading day is a day of the calendar: as a JS `Date` it would move with the process's time zone. */
const day = (name: string) => date(name, { mode: 'string' })

/** Boards of stocks. The code is unique over both types; one name may serve an industry and a concept. */
export const sectors = pgTable(
  'sectors',
  {
    id: bigint('id', { mode: 'number' }).generatedAlwaysAsIdentity().primaryKey(),
    code: varchar('code', { length: 20 }).notNull().unique('sectors_code_key'),
    name: text('name').notNull(),
    type: varchar('type', { length: 20 }).notNull(),
    createdAt: instant('created_at'),
    updatedAt: instant('updated_at'),
  },
  (t) => [check('sectors_type_check', sql`${t.type} in ('industry', 'concept')`)],
)

/** Symbols are text: `000001` is not the number 1. */
export const stocks = pgTable(
  'stocks',
  {
    id: bigint('id', { mode: 'number' }).generatedAlwaysAsIdentity().primaryKey(),
    symbol: varchar('symbol', { length: 6 }).notNull().unique('stocks_symbol_key'),
    name: text('name').notNull(),
    /** First trading day; null where the source has none. */
    listDate: day('list_date'),
    createdAt: instant('created_at'),
    updatedAt: instant('updated_at'),
  },
  (t) => [check('stocks_symbol_check', sql`${t.symbol} ~ '^[0-9]{6}$'`)],
)

/** Who is in which board. No foreign key: a board may name stocks that are not loaded yet. */
export const sectorStocks = pgTable(
  'sector_stocks',
  {
    sectorCode: varchar('sector_code', { length: 20 }).notNull(),
    stockCode: varchar('stock_code', { length: 6 }).notNull(),
    createdAt: instant('created_at'),
  },
  (t) => [primaryKey({ name: 'sector_stocks_pkey', columns: [t.sectorCode, t.stockCode] })],
)

/** Raw (unadjusted) daily bars: prices and amount in yuan, volume in shares. */
export const dailyMarketData = pgTable(
  'daily_market_data',
  {
    id: bigint('id', { mode: 'number' }).generatedAlwaysAsIdentity().primaryKey(),
    entityType: varchar('entity_type', { length: 20 }).notNull(),
    entityId: varchar('entity_id', { length: 20 }).notNull(),
    symbol: varchar('symbol', { length: 20 }).notNull(),
    date: day('date').notNull(),
    // Four decimals: A-shares need two, index points have more.
    open: numeric('open', { precision: 12, scale: 4 }).notNull(),
    high: numeric('high', { precision: 12, scale: 4 }).notNull(),
    low: numeric('low', { precision: 12, scale: 4 }).notNull(),
    close: numeric('close', { precision: 12, scale: 4 }).notNull(),
    volume: bigint('volume', { mode: 'number' }).notNull(),
    /** Null where the source has none. */
    amount: numeric('amount', { precision: 20, scale: 2 }),
    createdAt: instant('created_at'),
    updatedAt: instant('updated_at'),
  },
  (t) => [
    unique('daily_market_data_entity_date_key').on(t.entityType, t.entityId, t.date),
    check('daily_market_data_entity_type_check', sql`${t.entityType} in ('stock', 'sector')`),
    check('daily_market_data_range_check', sql`${t.low} > 0 and ${t.high} >= ${t.low} and ${t.volume} >= 0`),
  ],
)

/**
 * Units of work (a board, a trading day) that an unfinished task has committed: its next attempt skips them.
 * Written in the unit's own transaction, deleted when the task ends well.
 */
export const marketFinishedUnits = pgTable(
  'market_finished_units',
  {
    taskId: varchar('task_id', { length: 50 })
      .notNull()
      .references(() => asyncTasks.taskId, { onDelete: 'cascade' }),
    unit: text('unit').notNull(),
    finishedAt: instant('finished_at'),
  },
  (t) => [primaryKey({ name: 'market_finished_units_pkey', columns: [t.taskId, t.unit] })],
)
