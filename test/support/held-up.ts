import type pg from 'pg'

/**
 * How many sessions of the database wait for a transaction whose session is idle, also behind others that do. It does
 * not count waits that end by themselves: two inserts of one key and two commits that notify wait for each other, too.
 */
export async function countHeldUp(db: Pick<pg.Pool, 'query'>): Promise<number> {
  const { rows } = await db.query<{ count: number }>(
    `with recursive held (pid, is_waiting) as (
       select pid, false
         from pg_stat_activity
        where datname = current_database() and state like 'idle in transaction%'
       union
       select waiting.pid, true
         from pg_stat_activity waiting
         join held on held.pid = any(pg_blocking_pids(waiting.pid))
        where waiting.datname = current_database() and waiting.wait_event_type = 'Lock'
     )
     select count(*)::int as count from held where is_waiting`,
  )
  return rows[0]?.count ?? 0
}
