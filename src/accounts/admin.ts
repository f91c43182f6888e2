import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import { generatePassword, hashPassword, verifyPassword } from './passwords.ts'
import { findCredentials, insertUser, replacePassword, setRole } from './store.ts'

/**
 * Sees to it that the admin exists.
 *
 * With a password, it is the admin's from now on: a changed one ends their sessions. Without one, a password is
 * generated when the admin is made, and never again. Processes that boot at once agree: one of them makes the
 * admin, and only that one has a password to show.
 *
 * @returns the generated password; it is kept nowhere, so this is the time to show it
 */
export async function ensureAdmin(
  pool: pg.Pool,
  { username, password }: { username: string; password?: string | undefined },
): Promise<string | undefined> {
  const admin = await findCredentials(pool, username)
  if (!admin) {
    const first = password ?? generatePassword()
    const passwordHash = await hashPassword(first)
    const isOurs = await insertUser(pool, { id: randomUUID(), username, role: 'admin', passwordHash })
    if (isOurs) return password === undefined ? first : undefined
    // Somebody else made it between the look and the insert.
    return ensureAdmin(pool, { username, password })
  }
  if (password === undefined) return undefined
  if (admin.role !== 'admin') await setRole(pool, admin.id, 'admin')
  if (!(await verifyPassword(password, admin.passwordHash))) {
    const newHash = await hashPassword(password)
    await replacePassword(pool, { userId: admin.id, oldHash: admin.passwordHash, newHash })
  }
  return undefined
}
