import type pg from 'pg'
import type { Board } from '../sources/source.ts'
import type { Symbol6 } from '../symbols.ts'
import { compareText, uniqueBy } from './unique.ts'
import type { WriteCounts } from './write-unit.ts'

/** Adds new boards and refreshes names and types. Boards that the source no longer lists stay. */
export async function saveBoards(client: pg.PoolClient, boards: readonly Board[]): Promise<WriteCounts> {
  const given = uniqueBy(boards, (board) => board.code)
  const { rows } = await client.query<{ created: boolean }>(
    `insert into sectors as s (code, name, type)
     select code, name, type
       from unnest($1::text[], $2::text[], $3::text[]) as given (code, name, type)
      order by code
         on conflict (code) do update
        set name = excluded.name,
            type = excluded.type,
            updated_at = now()
      where (s.name, s.type) is distinct from (excluded.name, excluded.type)
  returning (xmax = 0) as created`,
    [given.map((board) => board.code), given.map((board) => board.name), given.map((board) => board.type)],
  )
  const created = rows.filter((row) => row.created).length
  return { created, updated: rows.length - created, skipped: given.length - rows.length }
}

/** Adds the relations that are not there yet. None is taken away: a short response must not empty a board. */
export async function saveMembers(
  client: pg.PoolClient,
  boardCode: string,
  symbols: readonly Symbol6[],
): Promise<WriteCounts> {
  const given = [...new Set(symbols)].sort(compareText)
  const { rowCount } = await client.query(
    `insert into sector_stocks (sector_code, stock_code)
     select $1, stock_code
       from unnest($2::text[]) as given (stock_code)
      order by stock_code
         on conflict do nothing`,
    [boardCode, given],
  )
  const created = rowCount ?? 0
  return { created, updated: 0, skipped: given.length - created }
}
