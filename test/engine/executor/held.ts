import type pg from 'pg'

/** A transaction of the host's that holds what a statement locks, until it is released. */
export async function hold(
  host: pg.Pool,
  text: string,
  values: unknown[] = [],
): Promise<() => Promise<void>> {
  const client = await host.connect()
  await client.query('begin')
  await client.query(text, values)
  return async () => {
    await client.query('rollback')
    client.release()
  }
}

export async function waitingStatements(host: pg.Pool): Promise<number> {
  const { rows } = await host.query(
    `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
  )
  return rows.length
}
