import type pg from 'pg'
import { withTransaction } from '../../db/client.ts'
import type { Bar } from '../bars.ts'
import type { Day } from '../days.ts'
import type { Symbol6 } from '../symbols.ts'
import type { WriteCounts } from './write-unit.ts'

export interface BarCounts extends WriteCounts {
  /** Bars of stocks that are not in `stocks`; not stored. */
  readonly unknown: number
}

// The join decides which bars belong to known stocks in the statement itself: no list of stocks is read before
// that could be out of date by then. Counting what the insert returns costs no second look at the table.
const saveStatement = (onConflict: string) => `
  with given as (
    select *
      from unnest($2::text[], $3::numeric[], $4::numeric[], $5::numeric[], $6::numeric[], $7::bigint[], $8::numeric[])
           as bar (symbol, open, high, low, close, volume, amount)
  ), known as (
    select given.*
      from given
      join stocks on stocks.symbol = given.symbol
  ), written as (
    insert into daily_market_data as d
           (entity_type, entity_id, symbol, date, open, high, low, close, volume, amount)
    select 'stock', symbol, symbol, $1::date, open, high, low, close, volume, amount
      from known
     order by symbol
        on conflict (entity_type, entity_id, date) ${onConflict}
 returning (xmax = 0) as created
  )
  select (select count(*)::int from known) as known,
         (select count(*)::int from written where created) as created,
         (select count(*)::int from written where not created) as updated`

const KEEP_PRESENT = saveStatement('do nothing')
const OVERWRITE_CHANGED = saveStatement(`do update
       set open = excluded.open,
           high = excluded.high,
           low = excluded.low,
           close = excluded.close,
           volume = excluded.volume,
           amount = excluded.amount,
           updated_at = now()
     where (d.open, d.high, d.low, d.close, d.volume, d.amount)
           is distinct from
           (excluded.open, excluded.high, excluded.low, excluded.close, excluded.volume, excluded.amount)`)

/**
 * Stores one day's bars of stocks.
 *
 * @param bars one a symbol, in the order of symbols
 * @param overwrite false leaves rows that are there untouched; true rewrites those that differ
 */
export async function saveBars(
  client: pg.PoolClient,
  day: Day,
  bars: readonly Bar[],
  overwrite: boolean,
): Promise<BarCounts> {
  if (bars.length === 0) return { created: 0, updated: 0, skipped: 0, unknown: 0 }
  const { rows } = await client.query<{ known: number; created: number; updated: number }>(
    overwrite ? OVERWRITE_CHANGED : KEEP_PRESENT,
    [
      day,
      bars.map((bar) => bar.symbol),
      bars.map((bar) => bar.open),
      bars.map((bar) => bar.high),
      bars.map((bar) => bar.low),
      bars.map((bar) => bar.close),
      bars.map((bar) => bar.volume),
      bars.map((bar) => bar.amount),
    ],
  )
  const { known = 0, created = 0, updated = 0 } = rows[0] ?? {}
  return { created, updated, skipped: known - created - updated, unknown: bars.length - known }
}

const WITHOUT_BAR = `select count(*)::int as listed,
         count(*) filter (where stocks.symbol <> all ($3::text[]) and d.id is null)::int as missing
    from stocks
    left join daily_market_data d
      on d.entity_type = 'stock' and d.entity_id = stocks.symbol and d.date = $1::date
   where ($2::text[] is null or stocks.symbol = any ($2))
     and (stocks.list_date is null or stocks.list_date <= $1::date)`

/**
 * How many stocks were listed on a day, and how many of them have no bar, those that the source had a row of left out.
 *
 * @param symbols these stocks only; null for all
 */
export async function countStocksWithoutBar(
  client: pg.PoolClient,
  day: Day,
  symbols: readonly Symbol6[] | null,
  answered: readonly string[],
): Promise<{ listed: number; missing: number }> {
  const { rows } = await client.query<{ listed: number; missing: number }>(WITHOUT_BAR, [
    day,
    symbols,
    answered,
  ])
  return rows[0] ?? { listed: 0, missing: 0 }
}

/**
 * Those of `days` on which a listed stock has no bar yet. A suspended stock makes a day look incomplete permanently,
 * which costs a request and writes nothing.
 *
 * @param symbols these stocks only; null for all
 */
export async function findIncompleteDays(
  pool: pg.Pool,
  days: readonly Day[],
  symbols: readonly Symbol6[] | null,
): Promise<ReadonlySet<Day>> {
  const rows = await withTransaction(pool, async (client) => {
    // Its estimate makes PostgreSQL compile it, which takes longer than to run it.
    await client.query('set local jit = off')
    const { rows } = await client.query<{ day: Day }>(INCOMPLETE_DAYS, [days, symbols])
    return rows
  })
  return new Set(rows.map((row) => row.day))
}

const INCOMPLETE_DAYS = `select to_char(wanted.day, 'YYYY-MM-DD') as day
       from unnest($1::date[]) as wanted (day)
      where exists (
              select 1
                from stocks
               where ($2::text[] is null or stocks.symbol = any ($2))
                 and (stocks.list_date is null or stocks.list_date <= wanted.day)
                 and not exists (
                       select 1
                         from daily_market_data d
                        where d.entity_type = 'stock'
                          and d.entity_id = stocks.symbol
                          and d.date = wanted.day
                     )
            )`
