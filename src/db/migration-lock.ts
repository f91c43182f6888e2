import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import type { EngineSchema } from './engine-schema.ts'
import { ENGINE_TYPES, instant } from './reading.ts'

/** Receives what a start waits for. */
export type OnNotice = (message: string) => void

/** Advisory locks are the database's: runners with tables in different schemas do not wait for each other. */
function keyOf(schema: EngineSchema): string {
  const name = `fastify-async-tasks migrations${schema.isPublic ? '' : ` of ${schema.quoted}`}`
  return `hashtextextended(${pg.escapeLiteral(name)}, 0)`
}

const MAX_PAUSE_MS = 500
/** Each further notice comes after twice the time, at most a minute later. */
const FIRST_NOTICE_MS = 1_000
const MAX_NOTICE_MS = 60_000

/** Calls `notice` after 1 s, 2 s, 4 s and so on; resolves when the signal aborts. */
async function repeatNotice(notice: () => Promise<void>, signal: AbortSignal): Promise<void> {
  for (let ms = FIRST_NOTICE_MS; ; ms = Math.min(ms * 2, MAX_NOTICE_MS)) {
    await delay(ms, undefined, { signal }).catch(() => {})
    if (signal.aborted) return
    await notice()
  }
}

/**
 * Takes the session lock of migrations. Polls for it: a waiting statement would hold a snapshot and meet the session's
 * limits.
 */
export async function takeMigrationLock(
  client: pg.Client,
  schema: EngineSchema,
  onNotice: OnNotice,
  signal: AbortSignal,
): Promise<void> {
  const key = keyOf(schema)
  const began = performance.now()
  let noticeAt = began + FIRST_NOTICE_MS
  for (let pauseMs = 20; ; pauseMs = Math.min(pauseMs * 1.5, MAX_PAUSE_MS)) {
    signal.throwIfAborted()
    const [row] = await read<{ taken: boolean }>(client, `select pg_try_advisory_lock(${key}) as taken`)
    if (row?.taken) return
    const now = performance.now()
    if (now >= noticeAt) {
      noticeAt = now + Math.min(now - began, MAX_NOTICE_MS)
      const holder = describe(await read<Session>(client, holdersOf(key)))
      onNotice(`waiting for another process's migrations for ${seconds(began)}: ${holder}`)
    }
    await delay(pauseMs, undefined, { signal })
  }
}

/** Reports how long `work` takes and which sessions block it. */
export async function reportingMigration<T>(
  client: pg.Client,
  config: pg.ClientConfig,
  names: readonly string[],
  onNotice: OnNotice,
  work: () => Promise<T>,
): Promise<T> {
  const began = performance.now()
  const [row] = await read<{ pid: number }>(client, 'select pg_backend_pid() as pid')
  const done = new AbortController()
  const report = async () => {
    const blockers = await findBlockers(config, row?.pid ?? 0)
    const reason = blockers.length > 0 ? `, waiting for ${describe(blockers)}` : ''
    onNotice(`applying the migrations ${names.join(', ')} for ${seconds(began)}${reason}`)
  }
  const reporting = repeatNotice(report, done.signal)
  try {
    return await work()
  } finally {
    done.abort()
    await reporting
  }
}

interface Session {
  readonly pid: number
  readonly application: string | null
  readonly address: string | null
  readonly since: Date | null
}

const SESSION = `a.pid, a.application_name as application, host(a.client_addr) as address,
            ${instant('coalesce(a.xact_start, a.backend_start)')} as since`

const holdersOf = (key: string) => `select ${SESSION}
       from pg_locks l
       join pg_stat_activity a on a.pid = l.pid
      where l.locktype = 'advisory' and l.granted and l.objsubid = 1
        and l.database = (select oid from pg_database where datname = current_database())
        and ((l.classid::bigint << 32) | l.objid::bigint) = ${key}`

/** Uses another connection: the migrating one is waiting. */
async function findBlockers(config: pg.ClientConfig, pid: number): Promise<Session[]> {
  const client = new pg.Client({ ...config, connectionTimeoutMillis: 5_000, query_timeout: 5_000 })
  client.on('error', () => {})
  try {
    await client.connect()
    const text = `select ${SESSION} from pg_stat_activity a where a.pid = any(pg_blocking_pids($1))`
    return (await client.query<Session>({ text, values: [pid], types: ENGINE_TYPES })).rows
  } catch {
    // Only the report lacks its reason; the migration meets the error itself.
    return []
  } finally {
    await client.end()
  }
}

async function read<Row extends pg.QueryResultRow>(client: pg.Client, text: string): Promise<Row[]> {
  return (await client.query<Row>({ text, types: ENGINE_TYPES })).rows
}

function describe(sessions: readonly Session[]): string {
  const words = sessions.map(({ pid, application, address, since }) => {
    const from = address === null ? '' : ` from ${address}`
    const at = since === null ? '' : ` since ${since.toISOString()}`
    return `PostgreSQL session ${pid} (${application || 'unnamed'}${from})${at}`
  })
  return words.length > 0 ? words.join(', ') : 'it has just ended'
}

function seconds(began: number): string {
  return `${Math.round((performance.now() - began) / 1000)} s`
}
