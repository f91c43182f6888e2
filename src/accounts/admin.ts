import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import { findPasswordFault, WeakPassword } from './password-rules.ts'
import { generatePassword, hashPassword, verifyPassword } from './passwords.ts'
import { type Appointment, appointAdmin } from './store/appoint.ts'
import { findCredentials } from './store/users.ts'

export interface AdminOptions {
  username: string
  password?: string | undefined
  /** Receives who else was or is an admin. */
  onAppointed?: (appointment: Appointment) => void
  /** The admin has a password that would be refused now; receives what is expected. */
  onWeakPassword?: (expected: string) => void
}

/**
 * Sees to it that the admin of the environment exists, and is the only one that the environment made: one that an
 * earlier name made becomes a user, and their sessions end.
 *
 * With a password, it is the admin's from now on: a changed one ends their sessions. Without one, a password is
 * generated when the admin is made, and never again. Processes that boot at once agree: one of them makes the
 * admin, and only that one has a password to show.
 *
 * A password that breaks the rules is refused, unless the admin has it already: an upgrade that brings stricter rules
 * must not stop a server.
 *
 * @returns the generated password; it is kept nowhere, so this is the time to show it
 * @throws WeakPassword
 */
export async function ensureAdmin(pool: pg.Pool, options: AdminOptions): Promise<string | undefined> {
  const { username, password } = options
  const before = await findCredentials(pool, username)
  const first = password ?? generatePassword()
  // A new hash of the same password would end the sessions.
  const isKept = before && (password === undefined || (await verifyPassword(password, before.passwordHash)))
  const fault = password === undefined ? undefined : findPasswordFault(password, username)
  if (fault !== undefined && !isKept) throw new WeakPassword(fault)
  const newHash = isKept ? before.passwordHash : await hashPassword(first)
  const id = before?.id ?? randomUUID()
  const appointment = await appointAdmin(pool, { id, username, oldHash: before?.passwordHash, newHash })
  // Another process changed the user since.
  if (!appointment) return ensureAdmin(pool, options)
  options.onAppointed?.(appointment)
  if (fault !== undefined) options.onWeakPassword?.(fault)
  return before || password !== undefined ? undefined : first
}
