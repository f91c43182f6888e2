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
