import type pg from 'pg'
import { queryPool, withTransaction } from '../../db/client.ts'
import { instant } from '../../db/reading.ts'
import type { Account, Role, User, UserWithHash } from '../user.ts'
import { type AccountEvent, recordEvents } from './audit.ts'
import { endSessions } from './sessions.ts'

export async function findCredentials(pool: pg.Pool, username: string): Promise<UserWithHash | undefined> {
  const { rows } = await queryPool<UserWithHash>(
    pool,
    `select id, username, role, password_hash as "passwordHash"
       from users
      where username = $1`,
    [username],
  )
  return rows[0]
}

export async function findUser(pool: pg.Pool, userId: string): Promise<User | undefined> {
  const { rows } = await queryPool<User>(pool, 'select id, username, role from users where id = $1', [userId])
  return rows[0]
}

/** `none`: there is no such table, or it is that of another app. */
export async function findUserTable(pool: pg.Pool): Promise<'current' | 'earlier' | 'none'> {
  const { rows } = await queryPool<{ name: string }>(
    pool,
    `select column_name::text as name from information_schema.columns
      where table_schema = 'public' and table_name = 'users'`,
  )
  const columns = new Set(rows.map(({ name }) => name))
  if (!columns.has('username') || !columns.has('password_hash')) return 'none'
  return columns.has('managed') && columns.has('disabled') ? 'current' : 'earlier'
}

export const MAX_USERS = 1_000

/** By name; sessions that were idle for longer are not counted. */
export async function listAccounts(
  pool: pg.Pool,
  idleSeconds: number,
  userId: string | null = null,
): Promise<Account[]> {
  const { rows } = await queryPool<Account>(
    pool,
    `select u.id, u.username, u.role, u.disabled, u.managed, ${instant('u.created_at')} as "createdAt",
            (select count(*)::int from sessions s
              where s.user_id = u.id
                and s.expires_at > now()
                and s.last_used_at > now() - $1 * interval '1 second') as sessions
       from users u
      where $2::text is null or u.id = $2
      order by u.username
      limit $3`,
    [idleSeconds, userId, MAX_USERS],
  )
  return rows
}

/** @returns false when the name is taken, perhaps by a process that boots at the same time */
export async function insertUser(db: pg.Pool | pg.PoolClient, user: UserWithHash): Promise<boolean> {
  const { rowCount } = await db.query(
    `insert into users (id, username, password_hash, role)
     values ($1, $2, $3, $4)
     on conflict (username) do nothing`,
    [user.id, user.username, user.passwordHash, user.role],
  )
  return rowCount === 1
}

export async function setRole(db: pg.Pool | pg.PoolClient, userId: string, role: Role): Promise<void> {
  await db.query('update users set role = $2 where id = $1 and role <> $2', [userId, role])
}

/** Runs `work` while nobody else writes users; reads and new sessions go on. */
export function changeUsers<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  return withTransaction(pool, async (client) => {
    await client.query('lock table users in share row exclusive mode')
    return work(client)
  })
}

/**
 * Changes a user's own password, and ends all sessions of the user but this one.
 *
 * @returns false when the password was changed since `oldHash` was read
 */
export function changePassword(
  pool: pg.Pool,
  change: { userId: string; oldHash: string; newHash: string; sessionId: string },
  event: AccountEvent,
): Promise<boolean> {
  const { userId, oldHash, newHash, sessionId } = change
  return changeUsers(pool, async (client) => {
    const isChanged = await replaceHash(client, userId, oldHash, newHash, sessionId)
    if (isChanged) await recordEvents(client, event)
    return isChanged
  })
}

/** Within `changeUsers`. @returns false when the password is not the one that was read */
export async function replaceHash(
  client: pg.PoolClient,
  userId: string,
  oldHash: string,
  newHash: string,
  sessionId?: string,
): Promise<boolean> {
  const { rowCount } = await client.query('select from users where id = $1 and password_hash = $2', [
    userId,
    oldHash,
  ])
  if (rowCount === 1 && newHash !== oldHash) {
    await client.query('update users set password_hash = $2 where id = $1', [userId, newHash])
    await endSessions(client, userId, sessionId)
  }
  return rowCount === 1
}
