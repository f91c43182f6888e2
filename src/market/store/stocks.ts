import type pg from 'pg'
import { queryPool } from '../../db/client.ts'
import type { Stock } from '../sources/source.ts'
import { uniqueBy } from './unique.ts'
import type { WriteCounts } from './write-unit.ts'

/** Adds new stocks and refreshes names and list dates. Stocks that the source no longer lists stay. */
export async function saveStocks(client: pg.PoolClient, stocks: readonly Stock[]): Promise<WriteCounts> {
  const given = uniqueBy(stocks, (stock) => stock.symbol)
  const { rows } = await client.query<{ created: boolean }>(
    `insert into stocks as s (symbol, name, list_date)
     select symbol, name, list_date
       from unnest($1::text[], $2::text[], $3::date[]) as given (symbol, name, list_date)
      order by symbol
         on conflict (symbol) do update
        set name = excluded.name,
            list_date = coalesce(excluded.list_date, s.list_date),
            updated_at = now()
      where (s.name, s.list_date) is distinct from (excluded.name, coalesce(excluded.list_date, s.list_date))
  returning (xmax = 0) as created`,
    [
      given.map((stock) => stock.symbol),
      given.map((stock) => stock.name),
      given.map((stock) => stock.listDate),
    ],
  )
  const created = rows.filter((row) => row.created).length
  return { created, updated: rows.length - created, skipped: given.length - rows.length }
}

export async function countStocks(pool: pg.Pool): Promise<number> {
  const { rows } = await queryPool<{ count: number }>(pool, 'select count(*)::int as count from stocks')
  return rows[0]?.count ?? 0
}
