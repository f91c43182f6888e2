import pg from 'pg'
import { TaskError } from '../engine/definition/errors.ts'
import { isUnanswered, whileConnecting } from './errors.ts'
import { awaitRoom } from './full-server.ts'
import { ENGINE_TYPES } from './reading.ts'
import { prepareSession } from './session.ts'

export interface PoolOptions {
  connectionString: string
  /** Connections at most. Default 10. */
  max?: number
  applicationName?: string
  /** Where unqualified tables are. Default: what the role says. */
  searchPath?: string
  /** Hears of connections that broke while idle, once for many; the pool replaces them by itself. */
  onIdleError?: (error: Error) => void
}

/** Until a connection must be had. A pool that waits without a limit turns an outage into a hang. */
const CONNECT_TIMEOUT_MS = 10_000

/** Until an unused connection is closed: at rest a process holds few. */
const IDLE_MS = 10_000

/** An outage breaks all idle connections of a pool within moments: one report stands for all of them. */
const IDLE_ERROR_QUIET_MS = 10_000

/** A pool whose broken idle connections are reported, instead of ending the process. */
export function createPool(options: PoolOptions): pg.Pool {
  const pool = new pg.Pool({
    connectionString: options.connectionString,
    max: options.max ?? 10,
    application_name: options.applicationName ?? 'fastify-async-tasks',
    keepAlive: true,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    idleTimeoutMillis: IDLE_MS,
    // The last resort where packets vanish; whoever knows better sets less for a query.
    query_timeout: 60_000,
    onConnect: awaited((client) =>
      prepareSession(client, options.searchPath === undefined ? {} : { search_path: options.searchPath }),
    ),
  })
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

/** The pool awaits it; its types do not say so. */
function awaited(onConnect: (client: pg.ClientBase) => Promise<void>): OnConnect {
  return onConnect as OnConnect
}

export interface PrivatePoolOptions {
  /** Connections at most. */
  readonly max: number
  readonly connectTimeoutMs: number
  /** Until an unused connection is closed. */
  readonly idleMs: number
}

/** A small pool of its own to the same database: statements of the other one take no connection from it. */
export function createPrivatePool(other: pg.Pool, options: PrivatePoolOptions): pg.Pool {
  const { max, connectTimeoutMs, idleMs } = options
  // The pool hides its password from a copy.
  const { password, onConnect } = other.options
  const pool = new pg.Pool({
    ...other.options,
    ...(password === undefined ? {} : { password }),
    min: 0,
    max,
    keepAlive: true,
    connectionTimeoutMillis: Math.min(connectTimeoutMs, CONNECT_TIMEOUT_MS),
    idleTimeoutMillis: idleMs,
    onConnect: awaited(async (client) => {
      // The host's may be asynchronous too.
      await Promise.resolve(onConnect?.(client))
      await prepareSession(client)
    }),
  })
  // The pool replaces it by itself, and whoever runs a query meanwhile hears of it there.
  pool.on('error', () => {})
  return pool
}

/**
 * A connection of the pool.
 *
 * @throws TaskError `SHUTTING_DOWN` when the pool has ended; any other error is an outage
 */
async function connect(pool: pg.Pool): Promise<pg.PoolClient> {
  try {
    return await whileFull(pool, () => pool.connect())
  } catch (error) {
    throw whileConnecting(error)
  }
}

/**
 * Runs one statement, read by the engine's own parsers.
 *
 * @throws TaskError `SHUTTING_DOWN` when the pool has ended; an error from before it was sent is an outage
 */
export async function queryPool<Row extends pg.QueryResultRow>(
  pool: pg.Pool,
  text: string,
  values: unknown[] = [],
  options: { name?: string; query_timeout?: number } = {},
): Promise<pg.QueryResult<Row>> {
  let isSent = false
  const config = {
    ...options,
    // Read by the connection that is to send it: of a pool's error nothing else says whether there was one.
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

/** Waits for a connection as long as for one of the pool's own: another process may close one, or the pool have one free. */
function whileFull<T>(pool: pg.Pool, work: () => Promise<T>): Promise<T> {
  // What a host passes as its pool may have no more than the methods of one.
  const options: pg.PoolOptions | undefined = pool.options
  const withinMs = options?.connectionTimeoutMillis || CONNECT_TIMEOUT_MS
  return awaitRoom(
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
 * Runs `work` inside one transaction on one connection.
 *
 * Drizzle's own `transaction` leaks the connection when BEGIN fails (0.45), so this one is used everywhere.
 * A connection whose ROLLBACK fails is destroyed: nobody knows what state it is in.
 * `answerTimeoutMs` bounds the wait for each of these statements; those of `work` are its own to bound.
 */
export async function withTransaction<T>(
  pool: pg.Pool,
  work: (client: pg.PoolClient) => Promise<T>,
  answerTimeoutMs?: number,
): Promise<T> {
  const client = await connect(pool)
  const run = (text: string) =>
    client.query({ text, ...(answerTimeoutMs === undefined ? {} : { query_timeout: answerTimeoutMs }) })
  // While checked out the pool's own listener is off; the failing query rejects, so the event adds nothing.
  const ignore = () => {}
  client.on('error', ignore)
  let broken: Error | undefined
  try {
    // A role's default may be stricter; then every conflict would be an error.
    await run('begin isolation level read committed')
    const result = await work(client)
    await run('commit')
    return result
  } catch (error) {
    // Behind a statement that got no answer a rollback would get none either.
    if (isUnanswered(error)) broken = error
    else {
      await run('rollback').catch((rollbackError: Error) => {
        broken = rollbackError
      })
    }
    throw error
  } finally {
    client.off('error', ignore)
    client.release(broken)
  }
}

/** Rejects when the database is away. */
export async function ping(pool: pg.Pool): Promise<void> {
  await queryPool(pool, 'select 1')
}

/**
 * Ends a pool and waits until its connections are closed, which `pool.end()` alone does not: a server that stops
 * right after would be seen to break them. Waits no longer than this: a connection that hangs on a dead server must
 * not keep the process from ending.
 */
export async function endPool(pool: pg.Pool, withinMs: number): Promise<void> {
  const late = Promise.withResolvers<void>()
  const closed = Promise.withResolvers<void>()
  const timer = setTimeout(late.resolve, withinMs)
  let open = pool.totalCount
  if (open === 0) closed.resolve()
  pool.on('remove', () => {
    open -= 1
    if (open === 0) closed.resolve()
  })
  await Promise.race([Promise.all([pool.end(), closed.promise]), late.promise])
  clearTimeout(timer)
}
