import type pg from 'pg'
import { queryPool, withTransaction } from '../../db/client.ts'
import { instant } from '../../db/reading.ts'
import type { User } from '../user.ts'
import { type AccountEvent, recordEvents } from './audit.ts'

export interface NewSession {
  readonly id: string
  readonly userId: string
  readonly passwordHash: string
  readonly ttlSeconds: number
  readonly address: string
  readonly userAgent: string | null
}

/** One open session of a user. */
export interface SessionRow {
  readonly id: string
  readonly createdAt: Date
  readonly lastUsedAt: Date
  readonly expiresAt: Date
  readonly address: string | null
  readonly userAgent: string | null
}

/** Keeps the list of a user's sessions short; a log-in beyond it ends the one that was used the longest ago. */
const MAX_SESSIONS = 100

/** `$2`: seconds without a request after which a session ends. */
const IS_OPEN = `s.expires_at > now() and s.last_used_at > now() - $2 * interval '1 second'`

/**
 * Opens a session for a user who has just proved to know the password of this hash.
 *
 * The row lock makes this wait for a password change under way, and that change wait for this: a session is
 * either refused or ended by it. The caller's check was made against a hash that may be old by now.
 *
 * @returns false when the password was changed meanwhile, or the user is disabled
 */
export function openSession(pool: pg.Pool, session: NewSession, event?: AccountEvent): Promise<boolean> {
  const { id, userId, passwordHash, ttlSeconds, address, userAgent } = session
  return withTransaction(pool, async (client) => {
    const { rowCount } = await client.query(
      `with verified as (
         select id from users where id = $2 and password_hash = $3 and not disabled for share
       )
       insert into sessions (id, user_id, expires_at, address, user_agent)
       select $1, id, now() + $4 * interval '1 second', $5, $6 from verified`,
      [id, userId, passwordHash, ttlSeconds, address, userAgent],
    )
    await client.query(
      `delete from sessions
        where id in (select id from sessions where user_id = $1 order by last_used_at desc, id offset $2)`,
      [userId, MAX_SESSIONS],
    )
    if (rowCount === 1 && event) await recordEvents(client, event)
    return rowCount === 1
  })
}

/**
 * Who a session belongs to, with the role they have now. `isStale`: its last use should be written.
 *
 * @param staleSeconds the use before this is not written, so that a session costs few writes
 */
export async function findSessionUser(
  pool: pg.Pool,
  sessionId: string,
  { idleSeconds, staleSeconds }: { idleSeconds: number; staleSeconds: number },
): Promise<{ user: User; isStale: boolean } | undefined> {
  const { rows } = await queryPool<User & { isStale: boolean }>(
    pool,
    `select u.id, u.username, u.role, s.last_used_at < now() - $3 * interval '1 second' as "isStale"
       from sessions s
       join users u on u.id = s.user_id
      where s.id = $1
        and ${IS_OPEN}
        and not u.disabled`,
    [sessionId, idleSeconds, staleSeconds],
  )
  if (!rows[0]) return undefined
  const { isStale, ...user } = rows[0]
  return { user, isStale }
}

/** Of requests at once, one writes and the others do not wait for it. */
export async function touchSession(pool: pg.Pool, sessionId: string, staleSeconds: number): Promise<void> {
  await queryPool(
    pool,
    `update sessions set last_used_at = now()
      where id = (select id from sessions
                   where id = $1 and last_used_at < now() - $2 * interval '1 second'
                     for no key update skip locked)`,
    [sessionId, staleSeconds],
  )
}

export async function listSessions(
  pool: pg.Pool,
  userId: string,
  idleSeconds: number,
): Promise<SessionRow[]> {
  const { rows } = await queryPool<SessionRow>(
    pool,
    `select s.id, s.address, s.user_agent as "userAgent",
            ${instant('s.created_at')} as "createdAt", ${instant('s.last_used_at')} as "lastUsedAt",
            ${instant(`least(s.expires_at, s.last_used_at + $2 * interval '1 second')`)} as "expiresAt"
       from sessions s
      where s.user_id = $1
        and ${IS_OPEN}
      order by s.last_used_at desc, s.id`,
    [userId, idleSeconds],
  )
  return rows
}

/** @returns false when the user has no such session */
export function closeSession(
  pool: pg.Pool,
  sessionId: string,
  userId: string,
  event: AccountEvent,
): Promise<boolean> {
  return withTransaction(pool, async (client) => {
    const { rowCount } = await client.query('delete from sessions where id = $1 and user_id = $2', [
      sessionId,
      userId,
    ])
    if (rowCount === 1) await recordEvents(client, event)
    return rowCount === 1
  })
}

export function closeAllSessions(pool: pg.Pool, userId: string, event: AccountEvent): Promise<void> {
  return withTransaction(pool, async (client) => {
    await endSessions(client, userId)
    await recordEvents(client, event)
  })
}

export async function deleteExpiredSessions(pool: pg.Pool, idleSeconds: number): Promise<void> {
  await queryPool(
    pool,
    `delete from sessions where expires_at <= now() or last_used_at <= now() - $1 * interval '1 second'`,
    [idleSeconds],
  )
}

/**
 * Ends the sessions of a user, but for one that is named. In a transaction, after the change that ends them: as a
 * statement of its own it sees the sessions that the row lock of the change waited for.
 */
export async function endSessions(client: pg.PoolClient, userId: string, exceptId = ''): Promise<void> {
  await client.query('delete from sessions where user_id = $1 and id <> $2', [userId, exceptId])
}
