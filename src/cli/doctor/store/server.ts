import pg from 'pg'
import { ENGINE_TYPES } from '../../../db/reading.ts'

export interface ServerFacts {
  readonly versionNumber: number
  readonly version: string
  /** As an identifier of SQL, as all names of roles and databases here. */
  readonly role: string
  readonly database: string
  /** The server's process behind the connection. */
  readonly pid: number
  readonly isStandby: boolean
  readonly nowMs: number
  /** Sees the sessions of other roles. */
  readonly seesAllSessions: boolean
  readonly synchronousCommit: string
  readonly autovacuum: string
  readonly trackCounts: string
}

const FACTS = `select current_setting('server_version_num')::int as "versionNumber",
            current_setting('server_version') as version,
            quote_ident(current_user) as role, quote_ident(current_database()) as database, pg_backend_pid() as pid,
            pg_is_in_recovery() as "isStandby",
            extract(epoch from clock_timestamp())::float8 * 1000 as "nowMs",
            pg_has_role(current_user, 'pg_read_all_stats', 'usage') as "seesAllSessions",
            current_setting('synchronous_commit') as "synchronousCommit",
            current_setting('autovacuum') as autovacuum,
            current_setting('track_counts') as "trackCounts"`

export async function readFacts(client: pg.ClientBase): Promise<ServerFacts> {
  const { rows } = await client.query<ServerFacts>({ text: FACTS, types: ENGINE_TYPES })
  if (!rows[0]) throw new Error('the server returned no row')
  return rows[0]
}

/** Settings that the engine sets in each of its sessions, and a pooler's server connections keep from it. */
const ODD_SETTINGS = `select name, setting, source
     from pg_settings
    where (name in ('statement_timeout', 'lock_timeout', 'transaction_timeout', 'idle_session_timeout',
                    'idle_in_transaction_session_timeout') and setting <> '0')
       or (name = 'default_transaction_isolation' and setting <> 'read committed')
    order by name`

export interface OddSetting {
  readonly name: string
  readonly setting: string
  readonly source: string
}

export async function findOddSettings(pool: pg.Pool): Promise<OddSetting[]> {
  return (await pool.query<OddSetting>({ text: ODD_SETTINGS, types: ENGINE_TYPES })).rows
}

/** Where a setting of the sessions comes from, in the words of `pg_settings`. */
export async function findSource(pool: pg.Pool, name: string): Promise<string> {
  const { rows } = await pool.query<{ source: string }>({
    text: 'select source from pg_settings where name = $1',
    values: [name],
    types: ENGINE_TYPES,
  })
  return rows[0]?.source ?? 'default'
}

/** Maintenance takes its time, and ends by itself. Without a backslash, which a role may have read as an escape. */
const MAINTENANCE =
  '^[[:space:]]*(vacuum|analyze|reindex|cluster|refresh|copy|create[[:space:]]+(unique[[:space:]]+)?index)[^[:alnum:]_]'

const HELD = `select pid, quote_ident(coalesce(usename, 'unknown')) as role, coalesce(application_name, '')::text as application,
            state, extract(epoch from now() - xact_start)::float8 as seconds
       from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
        and ((state like 'idle in transaction%' and state_change < now() - $1::float8 * interval '1 second')
             or (xact_start < now() - $2::float8 * interval '1 second'
                 and not (state = 'active' and (application_name = 'pg_dump'
                          or (query || ' ') ~* '${MAINTENANCE}'))))
      order by xact_start
      limit 20`

export interface HeldTransaction {
  readonly pid: number
  readonly role: string
  readonly application: string
  readonly state: string
  readonly seconds: number
}

/** Transactions of which nobody makes use, or which are open for long. */
export async function findHeldTransactions(
  pool: pg.Pool,
  idleSeconds: number,
  openSeconds: number,
): Promise<HeldTransaction[]> {
  const values = [idleSeconds, openSeconds]
  return (await pool.query<HeldTransaction>({ text: HELD, values, types: ENGINE_TYPES })).rows
}

/** Any role sees them all. */
const PREPARED = `select gid, quote_ident(owner) as role, quote_literal(gid) as literal,
            extract(epoch from now() - prepared)::float8 as seconds
       from pg_prepared_xacts
      where database = current_database() and prepared < now() - $1::float8 * interval '1 second'
      order by prepared
      limit 20`

export interface PreparedTransaction {
  readonly gid: string
  readonly role: string
  /** The gid as a literal of SQL. */
  readonly literal: string
  readonly seconds: number
}

/** Transactions without a session, which wait to be committed or rolled back. */
export async function findPreparedTransactions(
  pool: pg.Pool,
  seconds: number,
): Promise<PreparedTransaction[]> {
  const values = [seconds]
  return (await pool.query<PreparedTransaction>({ text: PREPARED, values, types: ENGINE_TYPES })).rows
}

/** A pooler's sessions run other statements before they listen. The name may be that of the connection string. */
const LISTENERS = `select count(*)::int as listeners
       from pg_stat_activity
      where datname = current_database() and state = 'idle'
        and query = $1 and query_start < backend_start + interval '5 seconds' and query_start < now() - interval '5 seconds'`

/** Processes that listen on a connection of their own. */
export async function countListeners(pool: pg.Pool, channel: string): Promise<number> {
  const values = [`listen ${pg.escapeIdentifier(channel)}`]
  const { rows } = await pool.query<{ listeners: number }>({ text: LISTENERS, values, types: ENGINE_TYPES })
  return rows[0]?.listeners ?? 0
}

// Of other roles' sessions, one without pg_read_all_stats sees whose they are, but not their kind.
const CONNECTIONS = `select s.max_connections - s.reserved as "serverLimit",
            count(a.pid)::int as "serverUsed",
            r.rolconnlimit as "roleLimit",
            (count(a.pid) filter (where a.usename = r.rolname))::int as "roleUsed",
            d.datconnlimit as "databaseLimit",
            (count(a.pid) filter (where a.datname = d.datname))::int as "databaseUsed"
       from (select current_setting('max_connections')::int as max_connections,
                    current_setting('superuser_reserved_connections')::int
                      + coalesce(current_setting('reserved_connections', true), '0')::int as reserved) s
       join pg_roles r on r.rolname = current_user
       join pg_database d on d.datname = current_database()
       left join pg_stat_activity a
         on coalesce(a.backend_type = 'client backend', a.datid is not null and a.usesysid is not null)
      group by s.max_connections, s.reserved, r.rolconnlimit, d.datconnlimit`

/** A limit of -1 is none. */
export interface Connections {
  readonly serverLimit: number
  readonly serverUsed: number
  readonly roleLimit: number
  readonly roleUsed: number
  readonly databaseLimit: number
  readonly databaseUsed: number
}

export async function readConnections(pool: pg.Pool): Promise<Connections> {
  const { rows } = await pool.query<Connections>({ text: CONNECTIONS, types: ENGINE_TYPES })
  if (!rows[0]) throw new Error('the server has no such role or database')
  return rows[0]
}
