import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import { inject } from 'vitest'
import { codeOf } from '../../src/db/errors.ts'
import type { MigrationHistory } from '../../src/db/migrate.ts'
import { admin } from './admin.ts'
import { databaseUrl } from './database-url.ts'
import { makePristine } from './pristine.ts'
import { withClient } from './with-client.ts'

const POLL_MS = 5

const NO_DATABASE = '3D000'
const DATABASE_IN_USE = '55006'

/** What this worker has reset; others may have taken it since. */
const own: Record<MigrationHistory, string[]> = { tasks: [], server: [] }

export function randomName(kind = ''): string {
  return inject('postgres').templatePrefix + kind + randomBytes(6).toString('hex')
}

function kindOf(source: MigrationHistory): string {
  return `reset_${source}_`
}

/** Copying a template costs thirty times what emptying its tables does: a used database serves again, renamed. */
export async function takeReset(source: MigrationHistory, name: string): Promise<boolean> {
  for (;;) {
    const found = own[source].pop() ?? (await findReset(source))
    if (found === undefined) return false
    try {
      await admin().query(`alter database ${found} rename to ${name}`)
      return true
    } catch (error) {
      // Another worker was faster.
      if (codeOf(error) !== NO_DATABASE) throw error
    }
  }
}

async function findReset(source: MigrationHistory): Promise<string | undefined> {
  const { rows } = await admin().query<{ datname: string }>(
    'select datname from pg_database where starts_with(datname, $1) limit 1',
    [inject('postgres').templatePrefix + kindOf(source)],
  )
  return rows[0]?.datname
}

/** Ends the pool. Keeps the database for another test, or drops it where this one has changed more than rows. */
export async function resetOrDrop(pool: pg.Pool, name: string, source: MigrationHistory): Promise<void> {
  const kept = await takeIdle(pool)
  const left = kept ? await resetOver(kept, pool, name, source) : await resetAnew(pool, name, source)
  if (!left) return
  if (!left.isReset) return await dropDatabase(left.name)
  const next = randomName(kindOf(source))
  await rename(left.name, next)
  own[source].push(next)
}

interface Left {
  /** Of the database, to which nobody can connect any more. */
  readonly name: string
  readonly isReset: boolean
}

/** Over a connection that the test has left: a new one would cost more than the rest of a reset. */
async function resetOver(
  kept: pg.PoolClient,
  pool: pg.Pool,
  name: string,
  source: MigrationHistory,
): Promise<Left> {
  const ended = pool.end()
  try {
    await lockOut(name, kept)
    return { name, isReset: await makePristine(kept, inject('postgres').pristine[source]) }
  } finally {
    kept.release(true)
    // Until the connection is closed: a database in use cannot be renamed.
    await ended
  }
}

/** @returns nothing if the test has dropped the database */
async function resetAnew(pool: pg.Pool, name: string, source: MigrationHistory): Promise<Left | undefined> {
  await pool.end()
  // Under another name: executors that the test has left running find no database.
  const hidden = randomName()
  if (!(await rename(name, hidden))) return undefined
  const { adminUrl, pristine } = inject('postgres')
  const isReset = await withClient(databaseUrl(adminUrl, hidden), (client) =>
    makePristine(client, pristine[source]),
  )
  return { name: hidden, isReset }
}

/** The database may be gone: a test may drop its own. */
export async function dropDatabase(name: string): Promise<void> {
  await cutSessions(name)
  await admin().query(`drop database if exists ${name} with (force)`)
}

/** A connection that is as good as new. None of a pool that still works, or through PgBouncer. */
async function takeIdle(pool: pg.Pool): Promise<pg.PoolClient | undefined> {
  const isAtRest = !pool.ending && pool.idleCount > 0 && pool.idleCount === pool.totalCount
  if (!isAtRest || inject('postgres').throughUrl !== undefined) return undefined
  const client = await pool.connect()
  try {
    await client.query('discard all')
    return client
  } catch (error) {
    // It is broken, or in a transaction: a new connection takes its place.
    client.release(error as Error)
    return undefined
  }
}

/** Lets nobody in any more, and cuts all but one. */
async function lockOut(name: string, kept: pg.PoolClient): Promise<void> {
  await admin().query(`alter database ${name} allow_connections false`)
  await cutSessions(name, Number(Reflect.get(kept, 'processID')))
}

// Who was let in before may still be connecting: it has a lock on the database until it is in the list of sessions.
const SESSIONS = `select null::int as pid from pg_locks
    where locktype = 'object' and classid = 'pg_database'::regclass
      and objid = (select oid from pg_database where datname = $1)
   union all
   select pid from pg_stat_activity where datname = $1 and pid <> $2`

/** A pool that has ended is still closing its connections: cut meanwhile, they would throw an error that nobody handles. */
const CLOSING_MS = 2_000

/** Resolves when the database has no session but this one. */
async function cutSessions(name: string, exceptPid = 0): Promise<void> {
  const cutFrom = performance.now() + CLOSING_MS
  for (;;) {
    const { rows } = await admin().query<{ pid: number | null }>(SESSIONS, [name, exceptPid])
    if (rows.length === 0) return
    const isCut = performance.now() >= cutFrom
    const pids = rows.map(({ pid }) => pid)
    if (isCut) await admin().query('select pg_terminate_backend(pid) from unnest($1::int[]) pid', [pids])
    else await delay(POLL_MS)
  }
}

/**
 * Cuts every connection of the database. What a test has left running may connect again before the new name is there.
 *
 * @returns whether there is such a database
 */
async function rename(from: string, to: string): Promise<boolean> {
  await cutSessions(from)
  try {
    await admin().query(`alter database ${from} rename to ${to}; alter database ${to} allow_connections true`)
    return true
  } catch (error) {
    if (codeOf(error) === NO_DATABASE) return false
    if (codeOf(error) !== DATABASE_IN_USE) throw error
    return rename(from, to)
  }
}
