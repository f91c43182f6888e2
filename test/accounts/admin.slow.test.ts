import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ensureAdmin } from '../../src/accounts/admin.ts'
import { hashPassword, verifyPassword } from '../../src/accounts/passwords.ts'
import type { Appointment } from '../../src/accounts/store/appoint.ts'
import { findSessionUser, openSession } from '../../src/accounts/store/sessions.ts'
import { findCredentials, insertUser, setRole } from '../../src/accounts/store/users.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

const FIRST = 'a quiet river bends'
const SECOND = 'seven lamps at noon'

let database: TestDatabase

beforeEach(async () => {
  database = await createTestDatabase('server')
})
afterEach(() => database.drop())

async function requireAdmin() {
  const admin = await findCredentials(database.pool, 'admin')
  if (!admin) throw new Error('there is no admin')
  return admin
}

async function knowsPassword(password: string): Promise<boolean> {
  return verifyPassword(password, (await requireAdmin()).passwordHash)
}

async function openAdminSession(): Promise<() => Promise<boolean>> {
  const { id: userId, passwordHash } = await requireAdmin()
  await openSession(database.pool, { ...SESSION, userId, passwordHash })
  return async () => (await findOpen('session')) !== undefined
}

const SESSION = { id: 'session', ttlSeconds: 60, address: '127.0.0.1', userAgent: null }
const findOpen = async (id: string) =>
  (await findSessionUser(database.pool, id, { idleSeconds: 60, staleSeconds: 60 }))?.user

describe('without a given password', () => {
  test('the first boot invents one and says it, once', async () => {
    const password = await ensureAdmin(database.pool, { username: 'admin' })
    expect(password).toMatch(/^[0-9a-f]{32}$/)
    expect(await requireAdmin()).toMatchObject({ username: 'admin', role: 'admin' })
    expect(await knowsPassword(password ?? '')).toBe(true)
    expect(await ensureAdmin(database.pool, { username: 'admin' })).toBeUndefined()
    expect(await knowsPassword(password ?? '')).toBe(true)
  })

  test('of processes that boot together one makes the admin, and only that one has a password to say', async () => {
    const boots = await Promise.all(
      Array.from({ length: 4 }, () => ensureAdmin(database.pool, { username: 'admin' })),
    )
    const said = boots.filter((password) => password !== undefined)
    expect(said).toHaveLength(1)
    expect(await knowsPassword(said[0] ?? '')).toBe(true)
  })
})

describe('with a given password', () => {
  test('it is the password from now on, and a changed one ends the sessions', async () => {
    expect(await ensureAdmin(database.pool, { username: 'admin', password: FIRST })).toBeUndefined()
    const isSessionOpen = await openAdminSession()
    await ensureAdmin(database.pool, { username: 'admin', password: FIRST })
    await ensureAdmin(database.pool, { username: 'admin' })
    expect(await isSessionOpen()).toBe(true)
    await ensureAdmin(database.pool, { username: 'admin', password: SECOND })
    expect(await isSessionOpen()).toBe(false)
    expect([await knowsPassword(FIRST), await knowsPassword(SECOND)]).toEqual([false, true])
  })

  test('a session cannot be opened on a password that was changed since it was checked', async () => {
    await ensureAdmin(database.pool, { username: 'admin', password: FIRST })
    const { id: userId, passwordHash } = await requireAdmin()
    await ensureAdmin(database.pool, { username: 'admin', password: SECOND })
    const session = { ...SESSION, id: 'late', userId, passwordHash }
    expect(await openSession(database.pool, session)).toBe(false)
  })

  test('processes that boot together agree', async () => {
    await Promise.all(
      Array.from({ length: 4 }, () => ensureAdmin(database.pool, { username: 'admin', password: FIRST })),
    )
    const { rows } = await database.pool.query('select username, role from users')
    expect(rows).toEqual([{ username: 'admin', role: 'admin' }])
    expect(await knowsPassword(FIRST)).toBe(true)
  })

  test('who was no admin becomes one', async () => {
    await ensureAdmin(database.pool, { username: 'admin', password: FIRST })
    await setRole(database.pool, (await requireAdmin()).id, 'user')
    await ensureAdmin(database.pool, { username: 'admin', password: FIRST })
    expect((await requireAdmin()).role).toBe('admin')
  })
})

describe('with a password that breaks the rules', () => {
  const weak = { username: 'admin', password: 'changeme' }
  const expected = 'a password of 12 to 1000 characters, got 8'

  test('a new admin is not made, and another one keeps the password until then', async () => {
    await expect(ensureAdmin(database.pool, weak)).rejects.toMatchObject({ code: 'WEAK_PASSWORD', expected })
    expect(await findCredentials(database.pool, 'admin')).toBeUndefined()
    await ensureAdmin(database.pool, { username: 'admin', password: FIRST })
    await expect(ensureAdmin(database.pool, weak)).rejects.toThrow(expected)
    expect(await knowsPassword(FIRST)).toBe(true)
  })

  test('an admin who has it already keeps it, and each start warns', async () => {
    const passwordHash = await hashPassword(weak.password)
    await insertUser(database.pool, { id: 'old', username: 'admin', role: 'admin', passwordHash })
    const warnings: string[] = []
    for (let n = 0; n < 2; n++)
      await ensureAdmin(database.pool, { ...weak, onWeakPassword: (fault) => warnings.push(fault) })
    expect(warnings).toEqual([expected, expected])
    expect((await requireAdmin()).passwordHash).toBe(passwordHash)
  })
})

describe('with another name', () => {
  const roles = async () => {
    const { rows } = await database.pool.query('select username, role, managed from users order by username')
    return rows.map(({ username, role, managed }) => `${username}: ${role}${managed ? ', managed' : ''}`)
  }
  const addUser = async (username: string, role: 'admin' | 'user') =>
    insertUser(database.pool, { id: username, username, role, passwordHash: await hashPassword('own') })
  async function start(username: string, password?: string): Promise<Appointment> {
    let appointment: Appointment | undefined
    await ensureAdmin(database.pool, {
      username,
      password,
      onAppointed: (one) => {
        appointment = one
      },
    })
    if (!appointment) throw new Error('there was no appointment')
    return appointment
  }

  test('the former admin becomes a user and their sessions end, with or without passwords', async () => {
    await start('admin')
    const isSessionOpen = await openAdminSession()
    expect(await start('ops', SECOND)).toEqual({ demoted: ['admin'], others: [] })
    expect(await roles()).toEqual(['admin: user', 'ops: admin, managed'])
    expect(await isSessionOpen()).toBe(false)
    expect(await start('third')).toEqual({ demoted: ['ops'], others: [] })
    expect(await start('admin')).toEqual({ demoted: ['third'], others: [] })
    expect(await roles()).toEqual(['admin: admin, managed', 'ops: user', 'third: user'])
  })

  test('that an ordinary user has, that user becomes the admin, with or without a new password', async () => {
    await start('admin', FIRST)
    await addUser('ops', 'user')
    await addUser('more', 'user')
    expect(await start('ops')).toEqual({ demoted: ['admin'], others: [] })
    const ops = await findCredentials(database.pool, 'ops')
    expect(await verifyPassword('own', ops?.passwordHash ?? '')).toBe(true)
    expect(await start('more', SECOND)).toEqual({ demoted: ['ops'], others: [] })
    expect(await roles()).toEqual(['admin: user', 'more: admin, managed', 'ops: user'])
  })

  test('admins of the operator stay, with their sessions, and are named', async () => {
    await start('admin', FIRST)
    await addUser('operator', 'admin')
    const { id: userId, passwordHash } =
      (await findCredentials(database.pool, 'operator')) ?? (await requireAdmin())
    await openSession(database.pool, { ...SESSION, id: 'theirs', userId, passwordHash })
    expect(await start('admin', FIRST)).toEqual({ demoted: [], others: ['operator'] })
    expect(await start('ops', SECOND)).toEqual({ demoted: ['admin'], others: ['operator'] })
    expect(await findOpen('theirs')).toMatchObject({ role: 'admin' })
  })

  test('each change has an entry in the audit', async () => {
    const addedSince = async () => {
      const { rows } = await database.pool.query<{ entry: string }>(
        `with gone as (delete from async_task_audit returning *)
         select concat_ws(' ', actor_id, action, subject, outcome) as entry from gone order by id`,
      )
      return rows.map(({ entry }) => entry)
    }
    await addUser('ops', 'user')
    await start('admin', FIRST)
    expect(await addedSince()).toEqual(['server user.create admin ok'])
    await start('admin', SECOND)
    expect(await addedSince()).toEqual(['server user.password admin ok'])
    await start('ops')
    expect(await addedSince()).toEqual(['server user.update ops ok', 'server user.update admin ok'])
    await start('admin', FIRST)
    expect(await addedSince()).toEqual([
      'server user.password admin ok',
      'server user.update admin ok',
      'server user.update ops ok',
    ])
    await database.pool.query(`alter table async_task_audit add check (action = 'none') not valid`)
    await expect(start('third')).rejects.toThrow('async_task_audit')
    expect(await roles()).toEqual(['admin: admin, managed', 'ops: user'])
  })

  test('an unchanged start changes nothing', async () => {
    await start('admin', FIRST)
    await openAdminSession()
    const state = async () => [
      (await database.pool.query('select ctid, xmin, u.*, (select count(*) from sessions) from users u'))
        .rows,
      (await database.pool.query('select id from async_task_audit')).rows,
    ]
    const before = await state()
    await start('admin', FIRST)
    await start('admin')
    expect(await state()).toEqual(before)
  })

  test('processes that start together leave exactly one, of one of the names', async () => {
    await start('admin', FIRST)
    const names = ['one', 'two', 'three', 'four', 'one', 'two']
    await Promise.all(names.map((name) => start(name, `${FIRST} of ${name}`)))
    const managed = (await roles()).filter((role) => role.includes('admin,'))
    expect(managed).toHaveLength(1)
    expect((await roles()).filter((role) => role.endsWith(': user'))).toHaveLength(4)
  })

  test('the admin that an earlier version made is known as the one of the environment', async () => {
    await addUser('admin', 'admin')
    await addUser('operator', 'admin')
    const migration = readFileSync('migrations/server/0002_accounts.sql', 'utf8')
      .split('--> statement-breakpoint')
      .at(-1)
    await database.pool.query(
      `update users set created_at = now() - interval '1 day' where username = 'admin'`,
    )
    await database.pool.query(migration ?? '')
    expect(await start('ops')).toEqual({ demoted: ['admin'], others: ['operator'] })
  })
})
