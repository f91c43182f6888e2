import type pg from 'pg'

/** The same pool at the end of a slow line: `carry` sends each query, and hands on its answer, when it likes. */
export function slowPool(
  pool: pg.Pool,
  carry: (query: pg.QueryConfig, send: () => Promise<pg.QueryResult>) => Promise<pg.QueryResult>,
): pg.Pool {
  return Object.create(pool, {
    query: { value: (query: pg.QueryConfig) => carry(query, () => pool.query(query)) },
  })
}
