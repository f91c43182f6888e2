import { TaskError } from '../engine/definition/errors.ts'
import { chainOf, isError, readProperty } from '../engine/definition/thrown.ts'

/**
 * SQLSTATEs of a server that is down, starting, stopping, full or too slow, or that refuses logins: a retry may
 * succeed.
 */
const AWAY = /^(08...|28...|3D...|57P0[1-5]|57014|53...|25006|25P0[34]|58030)$/
/** Errors of the statement or its values: data, constraints, syntax, privileges, missing objects, raised exceptions. */
const FINAL = /^(0A|21|22|23|2F|34|3F|42|P0)/
export const LOCK_NOT_AVAILABLE = '55P03'
/** Under `repeatable read` or `serializable`: a concurrent change. */
export const SERIALIZATION_FAILURE = '40001'
export const DEADLOCK = '40P01'
/** A limit of PostgreSQL, such as a full notification queue while a listener keeps a transaction open. */
export const LIMIT_EXCEEDED = '54000'
/** No connection is left on the server, or for the role or the database. */
export const TOO_MANY_CONNECTIONS = '53300'
export const UNIQUE_VIOLATION = '23505'
/** A host's error may have anything as its code. */
const MAX_CODE_CHARS = 200
const SQLSTATE = /^[0-9A-Z]{5}$/
const SOCKET = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  // The system has closed the socket, as a network of containers does when a service moves.
  'ECONNABORTED',
  'ENETRESET',
  'ENOTCONN',
  'ENOBUFS',
  'EPROTO',
  'ECANCELED',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'EHOSTDOWN',
  'EADDRNOTAVAIL',
  'EMFILE',
  'ENFILE',
  'ENOENT',
])
/** Messages of `pg` and `pg-pool` without a code, for broken and missing connections. */
const BROKEN_CONNECTION =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Query read timeout)/

const connecting = new WeakSet<object>()

/** A failure before a connection is ready is an outage: a changed password, a renamed database, TLS. */
export function whileConnecting(error: unknown): Error {
  const known = isError(error) ? error : new Error('no connection to the database', { cause: error })
  connecting.add(known)
  return known
}

/** The login was refused: a mistake at the start, an outage later. */
export function isRefusedLogin(error: unknown): boolean {
  return /^(28|3D)/.test(codeOf(error) ?? '')
}

/** The text of `pg`. */
const RESPONSE_TIMEOUT = 'Query read timeout'

/** As `pg` reports a missing response. */
export function responseTimeout(): Error {
  return new Error(RESPONSE_TIMEOUT)
}

/** `pg` stopped waiting for a response: the connection is unusable. */
export function isResponseTimeout(error: unknown): error is Error {
  return isError(error) && readProperty(error, 'message') === RESPONSE_TIMEOUT
}

/** The SQLSTATE or socket code of an error or its causes (Drizzle wraps the driver's error). */
export function codeOf(error: unknown): string | undefined {
  // "Happy eyeballs" fail with one error per address: the first one counts.
  for (const current of chainOf(error)) {
    const code = readProperty(current, 'code')
    if (typeof code === 'string') return code.slice(0, MAX_CODE_CHARS)
  }
  return undefined
}

/** The database was unreachable or could not serve. */
export function isOutage(error: unknown): boolean {
  for (const current of chainOf(error)) if (connecting.has(current)) return true
  const code = codeOf(error)
  if (code !== undefined) return AWAY.test(code) || SOCKET.has(code)
  for (const current of chainOf(error)) {
    const message = readProperty(current, 'message')
    if (typeof message === 'string' && BROKEN_CONNECTION.test(message)) return true
  }
  return false
}

/**
 * Whether a retry may succeed: after an outage, a conflict or a timeout. Unknown errors count, too: a finished task
 * must not fail for a passing error.
 */
export function isTransient(error: unknown): boolean {
  const code = codeOf(error)
  return (code !== undefined && SQLSTATE.test(code) && !FINAL.test(code)) || isOutage(error)
}

/** With several addresses, only the code shows why a connection was refused. */
export function reason(error: unknown): string {
  const { message, code } = error as Error & { code?: string }
  return message || code || String(error)
}

/** An outage, or a refused login, while an app starts. */
export function unavailable(cause: unknown): TaskError {
  return new TaskError('DATABASE_UNAVAILABLE', `the database is unavailable: ${reason(cause)}`, { cause })
}
