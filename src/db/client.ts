import pg from 'pg'

export interface PoolOptions {
  connectionString: string
  /** Connections at most. Default 10. */
  max?: number
  applicationName?: string
  /** Hears of connections that broke while idle; the pool replaces them by itself. */
  onIdleError?: (error: Error) => void
}

/** A pool whose broken idle connections are reported, instead of ending the process. */
export function createPool(options: PoolOptions): pg.Pool {
  const pool = new pg.Pool({
    connectionString: options.connectionString,
    max: options.max ?? 10,
    application_name: options.applicationName ?? 'fastify-async-tasks',
    keepAlive: true,
    // A pool that waits for ever turns an outage into a hang.
    connectionTimeoutMillis: 10_000,
    idleTimeoutMillis: 30_000,
  })
  pool.on('error', (error) => options.onIdleError?.(error))
  return pool
}

/**
 * Runs `work` inside one transaction on one connection.
 *
 * Drizzle's own `transaction` leaks the connection when BEGIN fails (0.45), so this one is used everywhere.
 * A connection whose ROLLBACK fails is destroyed: nobody knows what state it is in.
 */
export async function withTransaction<T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<T>,
): Promise<T> {
  const client = await pool.connect()
  // While checked out the pool's own listener is off; the failing query rejects, so the event adds nothing.
  const ignore = () => {}
  client.on('error', ignore)
  let broken: Error | undefined
  try {
    await client.query('begin')
    const result = await work(client)
    await client.query('commit')
    return result
  } catch (error) {
    await client.query('rollback').catch((rollbackError: Error) => {
      broken = rollbackError
    })
    throw error
  } finally {
    client.off('error', ignore)
    client.release(broken)
  }
}

/**
 * Ends a pool, but waits no longer than this for its connections: one that hangs on a dead server would keep the
 * process from ending.
 */
export async function endPool(pool: pg.Pool, withinMs: number): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, withinMs)
  await Promise.race([pool.end(), late])
  clearTimeout(timer)
}
