import type pg from 'pg'
import type { EngineSchema } from './engine-schema.ts'
import { ENGINE_TYPES } from './reading.ts'
import { describeSessions, SESSION, type Session } from './sessions.ts'

/**
 * The locks that a migration needs on tables that exist. Processes run beside it, and none of them must wait long or
 * become the victim of a deadlock:
 *
 * 1. A migration takes all its locks at the beginning of its transaction, or it holds none: a wait that takes too long
 *    rolls back, and another attempt follows after a pause.
 * 2. It holds nothing while it waits for the first lock. A session that queues behind it waits for `firstMs` at most,
 *    and if that is part of a deadlock, PostgreSQL lets the session pass.
 * 3. It waits for all further locks for less than `deadlock_timeout`. A session that waits for the first one meanwhile
 *    looks for a deadlock only after that time, when the migration has all locks or none.
 * 4. After that it waits for no table of theirs.
 */

type Mode = 'share row exclusive' | 'access exclusive'

export interface TableLock {
  /** Qualified and quoted. */
  readonly table: string
  readonly mode: Mode
}

/** What others may hold meanwhile, in the words of `pg_locks`. */
const COMPATIBLE: Readonly<Record<Mode, string>> = {
  'share row exclusive': 'AccessShareLock RowShareLock',
  'access exclusive': '',
}

/** Others may read the tables that such a statement names. */
const LETS_READ = /^(create (unique )?index|create table|alter table \S+ add constraint \S+ foreign key)\b/i
const COMMENT = /^\s*--.*$/gm
const IDENTIFIER = /"([^"]+)"/g

/** Tables, and the tables of indexes, by the names in statements. */
const FIND_TABLES = `select format('%I.%I', n.nspname, t.relname) as table, bool_and(given.lets_read) as "letsRead"
       from unnest($2::text[], $3::bool[]) as given (name, lets_read)
       join pg_namespace n on n.nspname = $1
       join pg_class named on named.relnamespace = n.oid and named.relname = given.name
       left join pg_index i on i.indexrelid = named.oid
       join pg_class t on t.oid = coalesce(i.indrelid, named.oid) and t.relkind in ('r', 'p')
      group by 1, t.relname
      order by t.relname <> 'async_tasks', 1`

/** The locks that these statements need, in the order in which most statements of the engine take theirs. */
export async function findTableLocks(
  client: pg.Client,
  schema: EngineSchema,
  statements: readonly string[],
): Promise<TableLock[]> {
  const named = statements.flatMap((statement) => {
    const letsRead = LETS_READ.test(statement.replaceAll(COMMENT, '').trim())
    return [...statement.matchAll(IDENTIFIER)].map(([, name = '']) => ({ name, letsRead }))
  })
  const { rows } = await client.query<{ table: string; letsRead: boolean }>({
    text: FIND_TABLES,
    values: [schema.name, named.map(({ name }) => name), named.map(({ letsRead }) => letsRead)],
    types: ENGINE_TYPES,
  })
  return rows.map(({ table, letsRead }) => ({
    table,
    mode: letsRead ? 'share row exclusive' : 'access exclusive',
  }))
}

/** For all locks but the first, and less than half of `deadlock_timeout` if that is shorter. */
const MAX_FURTHER_MS = 500

/**
 * Takes the locks inside a transaction, for the rest of it.
 *
 * @throws the server's error 55P03 when that takes too long: the transaction holds locks that it must release
 */
export async function takeTableLocks(
  client: pg.Client,
  locks: readonly TableLock[],
  firstMs: number,
): Promise<void> {
  if (locks.length === 0) return
  const { rows } = await client.query<{ ms: string }>(
    `select setting as ms from pg_settings where name = 'deadlock_timeout'`,
  )
  const furtherMs = Math.min(MAX_FURTHER_MS, Number(rows[0]?.ms) / 2) / (locks.length - 1)
  const steps = locks.map(({ table, mode }, i) => {
    // Zero means no limit.
    const ms = Math.max(1, Math.floor(i === 0 ? firstMs : furtherMs))
    return `set local lock_timeout = ${ms}; lock table ${table} in ${mode} mode`
  })
  // One message: no round trip takes time between them.
  await client.query(steps.join('; '))
}

interface Holder extends Session {
  readonly tables: readonly string[]
}

/** The sessions that hold what these locks wait for, the oldest transaction first. */
export async function findHolders(client: pg.Client, locks: readonly TableLock[]): Promise<Holder[]> {
  const { rows } = await client.query<Holder>({
    text: `select held.pid, held.tables, ${SESSION}
             from (select l.pid, array_agg(distinct given.name) as tables
                     from unnest($1::text[], $2::text[]) as given (name, compatible)
                     join pg_locks l on l.relation = to_regclass(given.name) and l.granted
                      and l.database = (select oid from pg_database where datname = current_database())
                      and l.mode <> all (string_to_array(given.compatible, ' '))
                    group by 1) held
             left join pg_stat_activity a on a.pid = held.pid
            where held.pid is distinct from pg_backend_pid()
            order by held.pid is not null, a.xact_start`,
    values: [locks.map(({ table }) => table), locks.map(({ mode }) => COMPATIBLE[mode])],
    types: ENGINE_TYPES,
  })
  return rows
}

export function describeHolders(holders: readonly Holder[], locks: readonly TableLock[]): string {
  const held = new Set(holders.flatMap(({ tables }) => tables))
  const names = held.size > 0 ? [...held] : locks.map(({ table }) => table)
  return `${names.join(' and ')}, held by ${describeSessions(holders)}`
}
