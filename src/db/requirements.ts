import type pg from 'pg'
import { TaskError } from '../engine/definition/errors.ts'
import { within } from '../engine/runtime/timeouts.ts'
import { queryPool } from './client.ts'
import { isOutage, isRefusedLogin, unavailable } from './errors.ts'
import { ENGINE_TYPES } from './reading.ts'

interface Session {
  readonly encoding: string
  readonly readOnly: string
  readonly isStandby: boolean
  readonly arrayNulls: string
  readonly floatDigits: string
  readonly replicationRole: string
}

const ASK = `select current_setting('server_encoding') as encoding,
            current_setting('transaction_read_only') as "readOnly", pg_is_in_recovery() as "isStandby",
            current_setting('array_nulls') as "arrayNulls",
            current_setting('extra_float_digits') as "floatDigits",
            current_setting('session_replication_role') as "replicationRole"`

/**
 * Checks that the engine works in this database and session.
 *
 * @throws TaskError `UNSUPPORTED_DATABASE` naming the setting
 */
export async function requireUsable(client: pg.Client): Promise<void> {
  refuseProblem((await client.query<Session>({ text: ASK, types: ENGINE_TYPES })).rows)
}

/** Why the engine does not work in a pool's database and sessions; undefined: it does. */
export async function findUnusable(pool: pg.Pool): Promise<string | undefined> {
  const [session] = (await queryPool<Session>(pool, ASK)).rows
  return session && findProblem(session)
}

function refuseProblem([session]: readonly Session[]): void {
  const problem = session && findProblem(session)
  if (problem !== undefined) throw new TaskError('UNSUPPORTED_DATABASE', problem)
}

function findProblem(session: Session): string | undefined {
  const { encoding, readOnly, isStandby, arrayNulls, floatDigits, replicationRole } = session
  if (encoding !== 'UTF8') {
    return `the database's encoding is ${encoding}, and must be UTF8: params, results and log lines may hold any text`
  }
  if (isStandby) return 'the database is a standby, which cannot be written to: connect to the primary'
  if (readOnly !== 'off') {
    return 'default_transaction_read_only is on for this role, database or connection, and must be off'
  }
  if (arrayNulls !== 'on') {
    return 'array_nulls is off for this role, database or connection, and must be on'
  }
  if (Number(floatDigits) < 0) {
    return `extra_float_digits is ${floatDigits} for this role, database or connection, and must be 0 or more`
  }
  if (replicationRole !== 'origin') {
    return `session_replication_role is ${replicationRole} for this role, database or connection, and must be origin: foreign keys would not hold`
  }
  return undefined
}

/** An app starts without the database, too: no response in this time counts as an outage. */
const CHECK_TIMEOUT_MS = 5_000

const MISSING_TABLES = 'select name from unnest($1::text[]) as given (name) where to_regclass(name) is null'

/**
 * Checks a pool's sessions and tables. Passes during an outage.
 *
 * @throws TaskError `UNSUPPORTED_DATABASE`, `MIGRATION_FAILED`; `DATABASE_UNAVAILABLE` for a wrong login or database
 */
export async function requireReady(pool: pg.Pool, tables: readonly string[]): Promise<void> {
  const check = async () => {
    refuseProblem((await queryPool<Session>(pool, ASK)).rows)
    const { rows } = await queryPool<{ name: string }>(pool, MISSING_TABLES, [tables])
    if (rows.length === 0) return
    const names = rows.map(({ name }) => name).join(', ')
    throw new TaskError(
      'MIGRATION_FAILED',
      `the database lacks the tables ${names}: apply the tasks migrations first (migrate: 'auto' does)`,
    )
  }
  try {
    await within(CHECK_TIMEOUT_MS, check())
  } catch (error) {
    if (isRefusedLogin(error)) throw unavailable(error)
    if (!isOutage(error)) throw error
  }
}
