import type pg from 'pg'
import { queryPool, withTransaction } from '../db/client.ts'

export type Role = 'admin' | 'user'

export interface User {
  readonly id: string
  readonly username: string
  readonly role: Role
}

export async function findCredentials(
  pool: pg.Pool,
  username: string,
): Promise<(User & { passwordHash: string }) | undefined> {
  const { rows } = await queryPool<User & { passwordHash: string }>(
    pool,
    `select id, username, role, password_hash as "passwordHash"
       from users
      where username = $1`,
    [username],
  )
  return rows[0]
}

/**
 * Opens a session for whoever knew the password whose hash this is.
 *
 * The row lock makes this wait for a password change under way, and that change wait for this: a session is
 * either refused or ended by it. The caller's check was made against a hash that may be old by now.
 *
 * @returns false when the password was changed meanwhile
 */
export async function openSession(
  pool: pg.Pool,
  session: { id: string; userId: string; passwordHash: string; ttlSeconds: number },
): Promise<boolean> {
  const { rowCount } = await queryPool(
    pool,
    `with verified as (
       select id from users where id = $2 and password_hash = $3 for share
     )
     insert into sessions (id, user_id, expires_at)
     select $1, id, now() + $4 * interval '1 second' from verified`,
    [session.id, session.userId, session.passwordHash, session.ttlSeconds],
  )
  return rowCount === 1
}

/** Who a session belongs to, with the role they have now. */
export async function findSessionUser(pool: pg.Pool, sessionId: string): Promise<User | undefined> {
  const { rows } = await queryPool<User>(
    pool,
    `select u.id, u.username, u.role
       from sessions s
       join users u on u.id = s.user_id
      where s.id = $1
        and s.expires_at > now()`,
    [sessionId],
  )
  return rows[0]
}

export async function closeSession(pool: pg.Pool, sessionId: string): Promise<void> {
  await queryPool(pool, 'delete from sessions where id = $1', [sessionId])
}

export async function deleteExpiredSessions(pool: pg.Pool): Promise<void> {
  await queryPool(pool, 'delete from sessions where expires_at <= now()')
}

/** @returns false when the name is taken, perhaps by a process that boots at the same time */
export async function insertUser(pool: pg.Pool, user: User & { passwordHash: string }): Promise<boolean> {
  const { rowCount } = await queryPool(
    pool,
    `insert into users (id, username, password_hash, role)
     values ($1, $2, $3, $4)
     on conflict (username) do nothing`,
    [user.id, user.username, user.passwordHash, user.role],
  )
  return rowCount === 1
}

/** Sets a user's password and ends their sessions, unless another process changed `oldHash` first. */
export async function replacePassword(
  pool: pg.Pool,
  change: { userId: string; oldHash: string; newHash: string },
): Promise<void> {
  await withTransaction(pool, async (client) => {
    const { rowCount } = await client.query(
      'update users set password_hash = $3 where id = $1 and password_hash = $2',
      [change.userId, change.oldHash, change.newHash],
    )
    // A statement of its own, so that it sees the sessions that the row lock waited for.
    if (rowCount === 1) await client.query('delete from sessions where user_id = $1', [change.userId])
  })
}

export async function setRole(pool: pg.Pool, userId: string, role: Role): Promise<void> {
  await queryPool(pool, 'update users set role = $2 where id = $1', [userId, role])
}
