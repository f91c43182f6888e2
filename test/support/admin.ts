import pg from 'pg'
import { inject } from 'vitest'

let pool: pg.Pool | undefined

/** The worker's one connection to the server, as opening one costs more than its use. It keeps no process alive. */
export function admin(): pg.Pool {
  if (pool) return pool
  const { adminUrl } = inject('postgres')
  pool = new pg.Pool({ connectionString: adminUrl, max: 1, idleTimeoutMillis: 0, allowExitOnIdle: true })
  // Of a connection that broke while idle: the next statement opens another.
  pool.on('error', () => {})
  return pool
}
