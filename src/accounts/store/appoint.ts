import type pg from 'pg'
import { endSessions } from './sessions.ts'
import { changeUsers, insertUser, replaceHash, setRole } from './users.ts'

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
  return changeUsers(pool, async (client) => {
    if (oldHash === undefined) {
      if (!(await insertUser(client, { id, username, role: 'admin', passwordHash: newHash })))
        return undefined
    } else if (!(await replaceHash(client, id, oldHash, newHash))) return undefined
    await setRole(client, id, 'admin')
    await client.query('update users set disabled = false where id = $1 and disabled', [id])
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
