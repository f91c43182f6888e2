import type pg from 'pg'
import { queryPool } from '../../db/client.ts'
import type { UserWithHash } from '../user.ts'

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
