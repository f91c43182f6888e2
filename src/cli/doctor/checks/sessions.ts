import { listExecutors } from '../../../engine/store/executors.ts'
import { type Illness, illness } from '../illness.ts'
import { type Check, duration } from '../patient.ts'
import { findHeldTransactions, findPreparedTransactions, readConnections } from '../store/server.ts'

const IDLE_SECONDS = 60
const OPEN_SECONDS = 900
const FULL = 0.9
/** Size of a process's pool, unless it is set. */
const DEFAULT_POOL = 10
/** What a process opens besides its pool: docs/operations.md. */
const OWN_CONNECTIONS = 9

export const heldFor =
  (idleSeconds: number, openSeconds: number): Check =>
  async ({ pool, facts }) => [
    ...(await findHeldTransactions(pool, idleSeconds, openSeconds)).map(
      ({ pid, role, application, state, seconds }) =>
        illness(
          'TRANSACTION_HELD',
          `a transaction of ${role} (${application || 'no application_name'}, pid ${pid}) is ${state} and open for ${duration(seconds)}: no dead row is removed meanwhile`,
          'commit or roll back where it was begun',
          `select pg_cancel_backend(${pid})`,
          `select pg_terminate_backend(${pid})`,
          `alter role ${role} in database ${facts.database} set idle_in_transaction_session_timeout = '1min'`,
        ),
    ),
    ...(await findPreparedTransactions(pool, idleSeconds)).map(({ gid, role, literal, seconds }) =>
      illness(
        'TRANSACTION_HELD',
        `the prepared transaction ${gid} of ${role} has waited for ${duration(seconds)} to be committed or rolled back: no dead row is removed meanwhile, and its locks stay`,
        'let the transaction manager that prepared it commit it or roll it back',
        `rollback prepared ${literal}`,
      ),
    ),
  ]

export const checkTransactions = heldFor(IDLE_SECONDS, OPEN_SECONDS)

/** What bounds the connections: a limit and its use. */
interface Bound {
  readonly of: string
  readonly limit: number
  readonly used: number
}

export const checkConnections: Check = async ({ pool, db, facts, isPooled, poolMax }) => {
  const found = await readConnections(pool)
  const bounds: Bound[] = [
    { of: 'the server (max_connections)', limit: found.serverLimit, used: found.serverUsed },
    { of: `the role ${facts.role}`, limit: found.roleLimit, used: found.roleUsed },
    { of: `the database ${facts.database}`, limit: found.databaseLimit, used: found.databaseUsed },
  ].filter(({ limit }) => limit >= 0)
  const full = bounds.filter(({ limit, used }) => used >= limit * FULL).map(usedUp)
  // Connections to a pooler are not the server's.
  if (isPooled) return full
  const processes = (await listExecutors(db)).filter(({ alive }) => alive).length
  const each = (poolMax ?? DEFAULT_POOL) + OWN_CONNECTIONS
  const tight = bounds.filter(({ limit }) => processes * each > limit)
  const judge = poolMax === undefined ? maybeTooLarge : tooLarge
  return [...full, ...tight.map((bound) => judge(bound, processes, each))]
}

const LESS = 'lower DATABASE_POOL_MAX, or the size of your pool, in each process'

function usedUp({ of, limit, used }: Bound): Illness {
  return illness(
    'CONNECTIONS_USED_UP',
    `${of} has ${used} connections of ${limit}`,
    LESS,
    `raise the limit of ${of}`,
  )
}

function mayOpen({ of, limit }: Bound, processes: number, each: number): string {
  return `${processes} processes may open ${each} connections each, and ${of} allows ${limit}`
}

/** The processes may have set it. */
function maybeTooLarge(bound: Bound, processes: number, each: number): string {
  return `pools: by default ${mayOpen(bound, processes, each)}; set DATABASE_POOL_MAX as the processes have it`
}

function tooLarge(bound: Bound, processes: number, each: number): Illness {
  return illness(
    'POOLS_TOO_LARGE',
    mayOpen(bound, processes, each),
    LESS,
    'put PgBouncer in transaction mode before the server',
    `raise the limit of ${bound.of}`,
  )
}
