import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { codeOf } from '../../../db/errors.ts'
import { ENGINE_TYPES } from '../../../db/reading.ts'
import { within } from '../../../engine/runtime/timeouts.ts'
import { readFacts, type ServerFacts } from './server.ts'

export interface Opened {
  readonly facts: ServerFacts
  readonly isPooled: boolean
  /** This machine's clock when the server read its own, and how long the query took. */
  readonly measuredAt: { readonly ms: number; readonly tookMs: number }
}

export async function openDatabase(pool: pg.Pool): Promise<Opened> {
  const client = await pool.connect()
  try {
    const begun = performance.now()
    const beganMs = Date.now()
    const facts = await readFacts(client)
    const tookMs = performance.now() - begun
    // A pooler names a process of its own.
    const isPooled = Reflect.get(client, 'processID') !== facts.pid
    return { facts, isPooled, measuredAt: { ms: beganMs + tookMs / 2, tookMs } }
  } finally {
    client.release()
  }
}

const CONNECT_MS = 10_000
const ARRIVAL_MS = 5_000

/** @throws what the connection throws */
export async function openListener(directUrl: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: directUrl,
    connectionTimeoutMillis: CONNECT_MS,
    query_timeout: ARRIVAL_MS,
    application_name: 'fastify-async-tasks doctor',
  })
  client.on('error', () => {})
  await client.connect()
  return client
}

/** Why a notification that the pool sends does not arrive on a connection, which it closes; undefined: it arrives. */
export async function findDeafness(client: pg.Client, pool: pg.Pool): Promise<string | undefined> {
  const channel = `fastify_async_tasks_doctor_${randomBytes(6).toString('hex')}`
  const arrived = Promise.withResolvers<true>()
  client.on('notification', () => arrived.resolve(true))
  try {
    try {
      await client.query(`listen ${channel}`)
    } catch (error) {
      return `LISTEN is refused (${(error as Error).message})`
    }
    await pool.query({ text: 'select pg_notify($1, $2)', values: [channel, 'x'], types: ENGINE_TYPES })
    const isHeard = await within(ARRIVAL_MS, arrived.promise)
    return isHeard
      ? undefined
      : 'a notification did not arrive within 5 seconds, as behind PgBouncer in transaction mode'
  } finally {
    await client.end().catch(() => {})
  }
}

/** A pooler in statement mode refuses it. */
export async function allowsTransactions(pool: pg.Pool): Promise<boolean> {
  const client = await pool.connect()
  // A refusal closes the connection.
  client.on('error', () => {})
  let isAllowed = false
  try {
    await client.query('begin')
    await client.query('commit')
    isAllowed = true
  } catch (error) {
    if (!/transaction blocks not allowed/.test((error as Error).message)) throw error
  } finally {
    client.release(!isAllowed)
  }
  return isAllowed
}

/** No prepared statement of that name, as on another server connection; one of that name exists already. */
const LOST = new Set(['26000', '42P05'])

/** Whether a statement that was prepared on one server connection runs on another one, too. */
export async function keepsPreparedStatements(pool: pg.Pool): Promise<boolean> {
  const [client, other] = [await pool.connect(), await pool.connect()]
  const statement = {
    name: `doctor_${randomBytes(6).toString('hex')}`,
    text: 'select 1',
    query_timeout: ARRIVAL_MS,
  }
  try {
    await client.query(statement)
    // Holds the server connection that has prepared it.
    await other.query('begin')
    await client.query(statement)
    await other.query('commit')
    return true
  } catch (error) {
    if (LOST.has(codeOf(error) ?? '')) return false
    throw error
  } finally {
    client.release(true)
    other.release(true)
  }
}
