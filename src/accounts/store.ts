import type pg from 'pg'
import { queryPool, withTransaction } from '../db/client.ts'

export type Role = 'admin' | 'user'

export interface User {
  readonly id: string
  readonly username: string
  readonly role: Role
}

export interface UserWithHash extends User {
  readonly passwordHash: string
}

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

/**
 * Opens a session for a user who has just proved to know the password of this hash.
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

/** Who was admin by the environment and is a user now, and other admins, whom the environment does not manage. */
export interface Appointment {
  readonly demoted: readonly string[]
  readonly others: readonly string[]
}

/**
 * Makes this user the one admin that the environment manages: sets the password, and makes the former one a user without
 * sessions. All of it happens or nothing, and processes that start together take turns.
 *
 * @returns undefined when another process has made the user, or changed their password, since `oldHash` was read
 */
export function appointAdmin(
  pool: pg.Pool,
  admin: { id: string; username: string; oldHash: string | undefined; newHash: string },
): Promise<Appointment | undefined> {
  const { id, username, oldHash, newHash } = admin
  return withTransaction(pool, async (client) => {
    // Keeps others from writing users; reads and new sessions go on.
    await client.query('lock table users in share row exclusive mode')
    if (oldHash === undefined) {
      if (!(await insertUser(client, { id, username, role: 'admin', passwordHash: newHash })))
        return undefined
    } else if (!(await setPassword(client, id, oldHash, newHash))) return undefined
    await setRole(client, id, 'admin')
    const { rows: admins } = await client.query<{ id: string; username: string; managed: boolean }>(
      `select id, username, managed from users where id <> $1 and role = 'admin' order by username`,
      [id],
    )
    const demoted = admins.filter(({ managed }) => managed)
    for (const former of demoted) {
      await setRole(client, former.id, 'user')
      await endSessions(client, former.id)
    }
    await client.query('update users set managed = (id = $1) where managed <> (id = $1)', [id])
    const nameOf = (one: { username: string }) => one.username
    return { demoted: demoted.map(nameOf), others: admins.filter((one) => !one.managed).map(nameOf) }
  })
}

/** @returns false when the password is not the one that was read */
async function setPassword(
  client: pg.PoolClient,
  userId: string,
  oldHash: string,
  newHash: string,
): Promise<boolean> {
  const { rowCount } = await client.query('select from users where id = $1 and password_hash = $2', [
    userId,
    oldHash,
  ])
  if (rowCount === 1 && newHash !== oldHash) {
    await client.query('update users set password_hash = $2 where id = $1', [userId, newHash])
    // A statement of its own, so that it sees the sessions that the row lock waited for.
    await endSessions(client, userId)
  }
  return rowCount === 1
}

async function endSessions(client: pg.PoolClient, userId: string): Promise<void> {
  await client.query('delete from sessions where user_id = $1', [userId])
}

export interface Login {
  readonly user: UserWithHash | undefined
  /** Where the user has logged in from. */
  readonly networks: readonly string[]
}

export async function findLogin(pool: pg.Pool, username: string): Promise<Login> {
  const { rows } = await queryPool<UserWithHash & { networks: string[] }>(
    pool,
    `select id, username, role, password_hash as "passwordHash",
            array(select network from login_networks n where n.user_id = u.id) as networks
       from users u
      where username = $1`,
    [username],
  )
  if (!rows[0]) return { user: undefined, networks: [] }
  const { networks, ...user } = rows[0]
  return { user, networks }
}

/** So many guesses at a name are free after a rest, and one more after so many seconds. */
export interface GuessRate {
  readonly burst: number
  readonly seconds: number
}

/**
 * Takes one of the free guesses at a name. (The generic cell rate algorithm: one instant holds all that counts.)
 *
 * @returns false when none is free
 */
export async function takeGuess(pool: pg.Pool, nameHash: string, rate: GuessRate): Promise<boolean> {
  await queryPool(
    pool,
    `delete from login_guesses
      where ctid = any(array(select ctid from login_guesses where free_at < now() limit 100 for update skip locked))`,
  )
  // An instant that cannot be was written before the clock of the database stepped back: none is free, as far as is known.
  const { rowCount } = await queryPool(
    pool,
    `insert into login_guesses as g (name_hash, free_at)
     values ($1, now() + $3 * interval '1 second')
     on conflict (name_hash) do update
        set free_at = case when g.free_at > now() + ($2 * $3 + 60) * interval '1 second'
                           then now() + $2 * $3 * interval '1 second'
                           else greatest(g.free_at, now()) + $3 * interval '1 second' end
      where g.free_at <= now() + ($2 - 1) * $3 * interval '1 second'
         or g.free_at > now() + ($2 * $3 + 60) * interval '1 second'`,
    [nameHash, rate.burst, rate.seconds],
  )
  return rowCount === 1
}

const MAX_NETWORKS = 20
const NETWORK_DAYS = 90

/** Keeps where a user has logged in from, and gives the guess back that the log-in took there for the first time. */
export async function rememberLogin(
  pool: pg.Pool,
  login: { userId: string; network: string; nameHash: string } & GuessRate,
): Promise<void> {
  const { userId, network, nameHash, seconds } = login
  const { rows } = await queryPool<{ isNew: boolean }>(
    pool,
    `insert into login_networks as n (user_id, network)
     select id, $2 from users where id = $1
     on conflict (user_id, network) do update set last_login_at = now()
     returning xmax = 0 as "isNew"`,
    [userId, network],
  )
  if (!rows[0]?.isNew) return
  await queryPool(
    pool,
    `update login_guesses set free_at = free_at - $2 * interval '1 second' where name_hash = $1`,
    [nameHash, seconds],
  )
  await queryPool(
    pool,
    `delete from login_networks
      where user_id = $1
        and (last_login_at < now() - $3 * interval '1 day'
             or network not in (select network from login_networks
                                 where user_id = $1
                                 order by last_login_at desc
                                 limit $2))`,
    [userId, MAX_NETWORKS, NETWORK_DAYS],
  )
}
