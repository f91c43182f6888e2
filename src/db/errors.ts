import { chainOf, isError, readProperty } from '../engine/definition/thrown.ts'

/**
 * SQLSTATEs of a server that is away, starting, stopping, full, too slow, or that lets nobody in: the same statement
 * will work later.
 */
const AWAY = /^(08...|28...|3D...|57P0[1-5]|57014|53...|25006|25P0[34]|58030)$/
/** A fault of the statement or its values: data, constraints, syntax, privileges, missing objects, code that raised. */
const FINAL = /^(0A|21|22|23|2F|34|3F|42|P0)/
/** A wait for a lock took longer than `lock_timeout`. */
export const LOCK_NOT_AVAILABLE = '55P03'
/** Under `repeatable read` or `serializable`: another transaction changed what this one has read. */
export const SERIALIZATION_FAILURE = '40001'
/** Two transactions waited for each other, and this one was chosen to end. */
export const DEADLOCK = '40P01'
/** What PostgreSQL can take is full: among others the queue of notifications, while a listener keeps a transaction open. */
export const LIMIT_EXCEEDED = '54000'
/** The server has no connection left, or the role or the database may have no more. */
export const TOO_MANY_CONNECTIONS = '53300'
/** A unique index has such a key already. */
export const UNIQUE_VIOLATION = '23505'
/** A host's error may hold anything as its code. */
const MAX_CODE_CHARS = 200
const SQLSTATE = /^[0-9A-Z]{5}$/
const SOCKET = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
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
/** What `pg` and `pg-pool` say, without any code, when a connection breaks or none can be had. */
const BROKEN_CONNECTION =
  /^(Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error|Query read timeout)/

/** Errors from before a connection was ready. */
const connecting = new WeakSet<object>()

/** Whatever fails before a connection is ready is an outage: a wrong password by now, a database renamed away, TLS. */
export function whileConnecting(error: unknown): Error {
  const known = isError(error) ? error : new Error('no connection to the database', { cause: error })
  connecting.add(known)
  return known
}

/** A connection is refused for what the app says of itself: at its start that is a mistake, later an outage. */
export function isRefusedLogin(error: unknown): boolean {
  return /^(28|3D)/.test(codeOf(error) ?? '')
}

/** `pg` gave up waiting for an answer: the connection is of no more use. */
export function isUnanswered(error: unknown): error is Error {
  return isError(error) && readProperty(error, 'message') === 'Query read timeout'
}

/** The SQLSTATE or socket code of an error, looked for in its causes too (Drizzle wraps the driver's error). */
export function codeOf(error: unknown): string | undefined {
  // Happy eyeballs fail with one error for each address: the first one counts.
  for (const current of chainOf(error)) {
    const code = readProperty(current, 'code')
    if (typeof code === 'string') return code.slice(0, MAX_CODE_CHARS)
  }
  return undefined
}

/** The database could not be reached or could not serve: an outage, not a fault of the statement. */
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
 * Worth the same statement once more: an outage, a conflict with another transaction, a time limit. Whatever is not
 * known to be final is: a task that has finished must not fail for an error that passes by itself.
 */
export function isTransient(error: unknown): boolean {
  const code = codeOf(error)
  return (code !== undefined && SQLSTATE.test(code) && !FINAL.test(code)) || isOutage(error)
}
