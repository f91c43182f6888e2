import type pg from 'pg'
import { queryPool } from '../../db/client.ts'
import type { Symbol6 } from '../symbols.ts'

export async function isKnownStock(pool: pg.Pool, symbol: Symbol6): Promise<boolean> {
  const { rows } = await queryPool(pool, 'select 1 from stocks where symbol = $1', [symbol])
  return rows.length > 0
}

/** The members of a board that are in `stocks`; undefined when there is no such board. */
export async function findBoardStocks(pool: pg.Pool, boardCode: string): Promise<Symbol6[] | undefined> {
  const { rows } = await queryPool<{ symbols: Symbol6[] }>(
    pool,
    `select array(
              select st.symbol::text
                from sector_stocks ss
                join stocks st on st.symbol = ss.stock_code
               where ss.sector_code = s.code
               order by st.symbol
            ) as symbols
       from sectors s
      where s.code = $1`,
    [boardCode],
  )
  return rows[0]?.symbols
}
