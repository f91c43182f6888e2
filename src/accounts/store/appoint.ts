import type pg from 'pg'
import type { AuditAction } from '../../contract/audit-views.ts'
import { recordEvents } from './audit.ts'
import { endSessions } from './sessions.ts'
import { changeUsers, insertUser, replaceHash, setRole } from './users.ts'

/** The actor of what a start changes. */
const SERVER = { id: 'server' } as const

/** Who was admin by the environment and is a user now, and other admins, whom the environment does not manage. */
export interface Appointment {
  readonly demoted: readonly string[]
  readonly others: readonly string[]
}

interface NewAdmin {
  readonly id: string
  readonly username: string
  readonly oldHash: string | undefined
  readonly newHash: string
}

/**
 * Makes this user the one admin that the environment manages: sets the password, and makes the former one a user without
 * sessions. All of it happens or nothing, and processes that start together take turns.
 *
 * @returns undefined when another process has made the user, or changed their password, since `oldHash` was read
 */
export function appointAdmin(pool: pg.Pool, admin: NewAdmin): Promise<Appointment | undefined> {
  return changeUsers(pool, async (client) => {
    const changes = await appoint(client, admin)
    if (!changes) return undefined
    const { rows: others } = await client.query<{ id: string; username: string; managed: boolean }>(
      `select id, username, managed from users where id <> $1 and role = 'admin' order by username`,
      [admin.id],
    )
    const demoted = others.filter(({ managed }) => managed)
    for (const former of demoted) {
      await setRole(client, former.id, 'user')
      await endSessions(client, former.id)
    }
    await client.query('update users set managed = false where managed and id <> $1', [admin.id])
    const nameOf = (one: { username: string }) => one.username
    const entry = (action: AuditAction, subject: string) =>
      ({ actor: SERVER, action, subject, outcome: 'ok' }) as const
    await recordEvents(
      client,
      ...changes.map((action) => entry(action, admin.username)),
      ...demoted.map((former) => entry('user.update', former.username)),
    )
    return { demoted: demoted.map(nameOf), others: others.filter((one) => !one.managed).map(nameOf) }
  })
}

/** What has changed of the user; undefined: another process was first. */
async function appoint(
  client: pg.PoolClient,
  { id, username, oldHash, newHash }: NewAdmin,
): Promise<AuditAction[] | undefined> {
  const isDone =
    oldHash === undefined
      ? await insertUser(client, { id, username, role: 'admin', passwordHash: newHash })
      : await replaceHash(client, id, oldHash, newHash)
  if (!isDone) return undefined
  const { rowCount } = await client.query(
    `update users set role = 'admin', disabled = false, managed = true
      where id = $1 and (role <> 'admin' or disabled or not managed)`,
    [id],
  )
  if (oldHash === undefined) return ['user.create']
  return [
    ...(newHash === oldHash ? [] : (['user.password'] as const)),
    ...(rowCount === 0 ? [] : (['user.update'] as const)),
  ]
}
