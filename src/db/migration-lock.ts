import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import type { EngineSchema } from './engine-schema.ts'
import { Notices, type OnNotice } from './notices.ts'
import { ENGINE_TYPES } from './reading.ts'
import { describeSessions, SESSION, type Session } from './sessions.ts'

/** Advisory locks are the database's: runners with tables in different schemas do not wait for each other. */
function keyOf(schema: EngineSchema): string {
  const name = `fastify-async-tasks migrations${schema.isPublic ? '' : ` of ${schema.quoted}`}`
  return `hashtextextended(${pg.escapeLiteral(name)}, 0)`
}

const MAX_PAUSE_MS = 500

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
  const notices = new Notices(onNotice)
  for (let pauseMs = 20; ; pauseMs = Math.min(pauseMs * 1.5, MAX_PAUSE_MS)) {
    signal.throwIfAborted()
    const [row] = await read<{ taken: boolean }>(client, `select pg_try_advisory_lock(${key}) as taken`)
    if (row?.taken) return
    if (notices.isDue()) {
      const holder = describeSessions(await read<Session>(client, holdersOf(key)))
      notices.give(`waiting for another process's migrations for ${notices.elapsed}: ${holder}`)
    }
    await delay(pauseMs, undefined, { signal })
  }
}

const holdersOf = (key: string) => `select a.pid, ${SESSION}
       from pg_locks l
       join pg_stat_activity a on a.pid = l.pid
      where l.locktype = 'advisory' and l.granted and l.objsubid = 1
        and l.database = (select oid from pg_database where datname = current_database())
        and ((l.classid::bigint << 32) | l.objid::bigint) = ${key}`

async function read<Row extends pg.QueryResultRow>(client: pg.Client, text: string): Promise<Row[]> {
  return (await client.query<Row>({ text, types: ENGINE_TYPES })).rows
}
