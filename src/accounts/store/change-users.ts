import { randomUUID } from 'node:crypto'
import type pg from 'pg'
import type { AuditAction } from '../../contract/audit-views.ts'
import type { Actor } from '../../engine/definition/actor.ts'
import { hashNewPassword } from '../password-rules.ts'
import type { Account, Role, User } from '../user.ts'
import { recordEvents } from './audit.ts'
import { endSessions } from './sessions.ts'
import { changeUsers, insertUser, MAX_USERS } from './users.ts'

export type AccountErrorCode =
  | 'USER_NOT_FOUND'
  | 'USERNAME_TAKEN'
  | 'LAST_ADMIN'
  | 'MANAGED_USER'
  | 'TOO_MANY_USERS'

/** A change of users that cannot be made. */
export class AccountError extends Error {
  override readonly name = 'AccountError'
  readonly code: AccountErrorCode

  constructor(code: AccountErrorCode, message: string) {
    super(message)
    this.code = code
  }
}

export interface NewUser {
  readonly username: string
  readonly password: string
  readonly role: Role
}

export interface UserChange {
  readonly username?: string | undefined
  readonly role?: Role | undefined
  readonly disabled?: boolean | undefined
  readonly password?: string | undefined
}

/** @throws WeakPassword, AccountError */
export async function createUser(
  pool: pg.Pool,
  { username, password, role }: NewUser,
  actor: Actor,
): Promise<User> {
  const user = { id: randomUUID(), username, role }
  const passwordHash = await hashNewPassword(password, username)
  await changeUsers(pool, async (client) => {
    const { rows } = await client.query<{ count: number }>('select count(*)::int as count from users')
    if ((rows[0]?.count ?? 0) >= MAX_USERS)
      throw new AccountError('TOO_MANY_USERS', `there are ${MAX_USERS} users already`)
    if (!(await insertUser(client, { ...user, passwordHash }))) throw nameTaken(username)
    await recordEvents(client, { actor, action: 'user.create', subject: username, outcome: 'ok' })
  })
  return user
}

/**
 * Changes a user as an administrator does, all of it or nothing. A new password, and being disabled, end the user's
 * sessions; a new role applies from the next request.
 *
 * @throws WeakPassword, AccountError
 */
export async function changeUser(
  pool: pg.Pool,
  userId: string,
  change: UserChange,
  actor: Actor,
): Promise<void> {
  const { username, role, disabled, password } = change
  const named = await findForChange(pool, userId)
  const hash = password === undefined ? null : await hashNewPassword(password, username ?? named.username)
  await changeUsers(pool, async (client) => {
    const before = await findForChange(client, userId)
    if (before.managed) refuseManaged(before, change)
    if (username !== undefined && username !== before.username) await checkName(client, username)
    await client.query(
      `update users set username = coalesce($2, username), role = coalesce($3, role),
              disabled = coalesce($4, disabled), password_hash = coalesce($5, password_hash)
        where id = $1`,
      [userId, username, role, disabled, hash],
    )
    if (hash !== null || disabled === true) await endSessions(client, userId)
    if (before.role === 'admin' && !before.disabled) await requireAdmin(client)
    const action: AuditAction = hash === null ? 'user.update' : 'user.password'
    await recordEvents(client, { actor, action, subject: before.username, outcome: 'ok' })
  })
}

type Before = Pick<Account, 'username' | 'role' | 'disabled' | 'managed'>

async function findForChange(db: pg.Pool | pg.PoolClient, userId: string): Promise<Before> {
  const { rows } = await db.query<Before>(
    'select username, role, disabled, managed from users where id = $1',
    [userId],
  )
  if (!rows[0]) throw new AccountError('USER_NOT_FOUND', `there is no user ${JSON.stringify(userId)}`)
  return rows[0]
}

/** The next start would undo it. */
function refuseManaged(before: Before, { username = before.username, role, disabled }: UserChange): void {
  if (username === before.username && (role ?? 'admin') === 'admin' && !disabled) return
  throw new AccountError(
    'MANAGED_USER',
    'this user is the admin of ADMIN_USERNAME: name another one there, or set a new password',
  )
}

async function checkName(client: pg.PoolClient, username: string): Promise<void> {
  const { rowCount } = await client.query('select from users where username = $1', [username])
  if (rowCount !== 0) throw nameTaken(username)
}

async function requireAdmin(client: pg.PoolClient): Promise<void> {
  const { rowCount } = await client.query(`select from users where role = 'admin' and not disabled limit 1`)
  if (rowCount === 0)
    throw new AccountError('LAST_ADMIN', 'this is the last administrator: appoint another one first')
}

function nameTaken(username: string): AccountError {
  return new AccountError('USERNAME_TAKEN', `there is a user ${JSON.stringify(username)} already`)
}
