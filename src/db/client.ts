import pg from 'pg'
import { TaskError } from '../engine/definition/errors.ts'
import { within } from '../engine/runtime/timeouts.ts'
import { isResponseTimeout, whileConnecting } from './errors.ts'
import { awaitConnection } from './full-server.ts'
import { ENGINE_TYPES } from './reading.ts'
import { prepareSession } from './session.ts'

export interface PoolOptions {
  connectionString: string
  /** Connections at most. Default 10. */
  max?: number
  applicationName?: string
  /** Schema of unqualified tables. Default: the role's. */
  searchPath?: string
  /** Longest wait for a lock. Default: no limit. */
  lockTimeoutMs?: number
  /** Called for connections that broke while idle, once for many; the pool replaces them. */
  onIdleError?: (error: Error) => void
}

/** Longest wait for a connection: without a limit an outage would become a hang. */
const CONNECT_TIMEOUT_MS = 10_000

/** At rest a process holds few connections. */
const IDLE_MS = 10_000

/** An outage breaks all idle connections at once: one report for all. */
const IDLE_ERROR_QUIET_MS = 10_000

/** Reports broken idle connections, which would otherwise end the process. */
export function createPool(options: PoolOptions): pg.Pool {
  const pool = new pg.Pool({
    connectionString: options.connectionString,
    max: options.max ?? 10,
    application_name: options.applicationName ?? 'fastify-async-tasks',
    keepAlive: true,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: IDLE_MS,
    // For connections that lose packets; most queries set less.
    query_timeout: 60_000,
    onConnect: awaited((client) =>
      prepareSession(client, {
        ...(options.searchPath !== undefined && { search_path: options.searchPath }),
        ...(options.lockTimeoutMs !== undefined && { lock_timeout: String(options.lockTimeoutMs) }),
      }),
    ),
  })
  surviveBrokenConnections(pool)
  let quietUntil = Number.NEGATIVE_INFINITY
  pool.on('error', (error) => {
    const now = performance.now()
    if (now < quietUntil) return
    quietUntil = now + IDLE_ERROR_QUIET_MS
    options.onIdleError?.(error)
  })
  return pool
}

type OnConnect = NonNullable<pg.PoolConfig['onConnect']>

/** pg awaits it, but its types lack that. */
function awaited(onConnect: (client: pg.ClientBase) => Promise<void>): OnConnect {
  return onConnect as OnConnect
}

export interface PrivatePoolOptions {
  /** Idle connections that are kept. Default 0. */
  readonly min?: number
  readonly max: number
  readonly connectTimeoutMs: number
  readonly idleMs: number
}

/** A small pool to the same database, so that its statements take no connection of the other pool. */
export function createPrivatePool(other: pg.Pool, options: PrivatePoolOptions): pg.Pool {
  const { min = 0, max, connectTimeoutMs, idleMs } = options
  // Not enumerable in the options.
  const { password, onConnect } = other.options
  const pool = new pg.Pool({
    ...other.options,
    ...(password === undefined ? {} : { password }),
    min,
    max,
    keepAlive: true,
    connectionTimeoutMillis: Math.min(connectTimeoutMs, CONNECT_TIMEOUT_MS),
    idleTimeoutMillis: idleMs,
    onConnect: awaited(async (client) => {
      // The host's may be asynchronous.
      await Promise.resolve(onConnect?.(client))
      await prepareSession(client)
    }),
  })
  surviveBrokenConnections(pool)
  pool.on('error', () => {})
  return pool
}

const survivors = new WeakSet<object>()
const ignore = () => {}

/**
 * The pool's own listener is off while a connection is checked out, also between the pool and its borrower: if the
 * connection broke there, its event would end the process. The pool replaces it, and a query in flight rejects.
 */
export function surviveBrokenConnections(pool: pg.Pool): void {
  if (survivors.has(pool)) return
  survivors.add(pool)
  // A host's pool may lack all but its methods.
  pool.on?.('acquire', (client) => {
    if (survivors.has(client)) return
    survivors.add(client)
    client.on('error', ignore)
  })
}

/** @throws TaskError `SHUTTING_DOWN` if the pool has ended; other errors are outages */
export async function connect(pool: pg.Pool): Promise<pg.PoolClient> {
  try {
    return await whileFull(pool, () => pool.connect())
  } catch (error) {
    throw whileConnecting(error)
  }
}

/**
 * Runs one statement with the engine's parsers.
 *
 * @throws TaskError `SHUTTING_DOWN` if the pool has ended; an error from before it was sent is an outage
 */
export async function queryPool<Row extends pg.QueryResultRow>(
  pool: pg.Pool,
  text: string,
  values: unknown[] = [],
  options: { name?: string | undefined; query_timeout?: number } = {},
): Promise<pg.QueryResult<Row>> {
  let isSent = false
  const config = {
    name: options.name,
    query_timeout: options.query_timeout,
    // Read when the statement is sent: nothing else shows whether an error came before or after.
    get text() {
      isSent = true
      return text
    },
    values,
    types: ENGINE_TYPES,
  }
  try {
    return await whileFull(pool, () => pool.query<Row>(config))
  } catch (error) {
    throw isSent ? error : whileConnecting(error)
  }
}

/** Waits as long as for one of the pool's own: another process may close a connection, or the pool free one. */
function whileFull<T>(pool: pg.Pool, work: () => Promise<T>): Promise<T> {
  // A host's pool may lack all but its methods.
  const options: pg.PoolOptions | undefined = pool.options
  const withinMs = options?.connectionTimeoutMillis || CONNECT_TIMEOUT_MS
  return awaitConnection(
    () => {
      refuseEnded(pool)
      return work()
    },
    { withinMs },
  )
}

function refuseEnded(pool: pg.Pool): void {
  if (pool.ending) throw new TaskError('SHUTTING_DOWN', 'the connections to the database have been closed')
}

/**
 * Runs `work` in one transaction on one connection. Drizzle's own `transaction` leaks the connection if BEGIN fails
 * (0.45). A connection whose ROLLBACK fails is destroyed: its state is unknown. `responseTimeoutMs` bounds begin,
 * commit and rollback.
 */
export async function withTransaction<T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<T>,
  responseTimeoutMs?: number,
): Promise<T> {
  const client = await connect(pool)
  const run = (text: string) =>
    client.query({ text, ...(responseTimeoutMs === undefined ? {} : { query_timeout: responseTimeoutMs }) })
  let broken: Error | undefined
  try {
    // A stricter default of the role would make every conflict an error.
    await run('begin isolation level read committed')
    const result = await work(client)
    await run('commit')
    return result
  } catch (error) {
    // After a statement without a response, a rollback would get none either.
    if (isResponseTimeout(error)) broken = error
    else {
      await run('rollback').catch((rollbackError: Error) => {
        broken = rollbackError
      })
    }
    throw error
  } finally {
    client.release(broken)
  }
}

/** Rejects during an outage. */
export async function ping(pool: pg.Pool): Promise<void> {
  await queryPool(pool, 'select 1')
}

/**
 * Ends a pool and waits, at most this long, until its connections are closed, which `pool.end()` does not: a server
 * that stops right after would appear to break them.
 */
export async function endPool(pool: pg.Pool, withinMs: number): Promise<void> {
  const closed = Promise.withResolvers<void>()
  let open = pool.totalCount
  if (open === 0) closed.resolve()
  pool.on('remove', () => {
    open -= 1
    if (open === 0) closed.resolve()
  })
  await within(withinMs, Promise.all([pool.end(), closed.promise]))
}
