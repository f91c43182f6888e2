import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ensureAdmin } from '../../src/accounts/admin.ts'
import { hashPassword, verifyPassword } from '../../src/accounts/passwords.ts'
import type { Appointment } from '../../src/accounts/store/appoint.ts'
import { findSessionUser, openSession } from '../../src/accounts/store/sessions.ts'
import { findCredentials, insertUser, setRole } from '../../src/accounts/store/users.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

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
    expect(await ensureAdmin(database.pool, { username: 'admin', password: 'first' })).toBeUndefined()
    const isSessionOpen = await openAdminSession()
    await ensureAdmin(database.pool, { username: 'admin', password: 'first' })
    await ensureAdmin(database.pool, { username: 'admin' })
    expect(await isSessionOpen()).toBe(true)
    await ensureAdmin(database.pool, { username: 'admin', password: 'second' })
    expect(await isSessionOpen()).toBe(false)
    expect([await knowsPassword('first'), await knowsPassword('second')]).toEqual([false, true])
  })

  test('a session cannot be opened on a password that was changed since it was checked', async () => {
    await ensureAdmin(database.pool, { username: 'admin', password: 'first' })
    const { id: userId, passwordHash } = await requireAdmin()
    await ensureAdmin(database.pool, { username: 'admin', password: 'second' })
    const session = { ...SESSION, id: 'late', userId, passwordHash }
    expect(await openSession(database.pool, session)).toBe(false)
  })

  test('processes that boot together agree', async () => {
    await Promise.all(
      Array.from({ length: 4 }, () => ensureAdmin(database.pool, { username: 'admin', password: 'same' })),
    )
    const { rows } = await database.pool.query('select username, role from users')
    expect(rows).toEqual([{ username: 'admin', role: 'admin' }])
    expect(await knowsPassword('same')).toBe(true)
  })

  test('who was no admin becomes one', async () => {
    await ensureAdmin(database.pool, { username: 'admin', password: 'same' })
    await setRole(database.pool, (await requireAdmin()).id, 'user')
    await ensureAdmin(database.pool, { username: 'admin', password: 'same' })
    expect((await requireAdmin()).role).toBe('admin')
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
    expect(await start('ops', 'second')).toEqual({ demoted: ['admin'], others: [] })
    expect(await roles()).toEqual(['admin: user', 'ops: admin, managed'])
    expect(await isSessionOpen()).toBe(false)
    expect(await start('third')).toEqual({ demoted: ['ops'], others: [] })
    expect(await start('admin')).toEqual({ demoted: ['third'], others: [] })
    expect(await roles()).toEqual(['admin: admin, managed', 'ops: user', 'third: user'])
  })

  test('that an ordinary user has, that user becomes the admin, with or without a new password', async () => {
    await start('admin', 'first')
    await addUser('ops', 'user')
    await addUser('more', 'user')
    expect(await start('ops')).toEqual({ demoted: ['admin'], others: [] })
    const ops = await findCredentials(database.pool, 'ops')
    expect(await verifyPassword('own', ops?.passwordHash ?? '')).toBe(true)
    expect(await start('more', 'new')).toEqual({ demoted: ['ops'], others: [] })
    expect(await roles()).toEqual(['admin: user', 'more: admin, managed', 'ops: user'])
  })

  test('admins of the operator stay, with their sessions, and are named', async () => {
    await start('admin', 'first')
    await addUser('operator', 'admin')
    const { id: userId, passwordHash } =
      (await findCredentials(database.pool, 'operator')) ?? (await requireAdmin())
    await openSession(database.pool, { ...SESSION, id: 'theirs', userId, passwordHash })
    expect(await start('admin', 'first')).toEqual({ demoted: [], others: ['operator'] })
    expect(await start('ops', 'second')).toEqual({ demoted: ['admin'], others: ['operator'] })
    expect(await findOpen('theirs')).toMatchObject({ role: 'admin' })
  })

  test('an unchanged start changes nothing', async () => {
    await start('admin', 'first')
    await openAdminSession()
    const state = async () =>
      (await database.pool.query('select ctid, xmin, u.*, (select count(*) from sessions) from users u')).rows
    const before = await state()
    await start('admin', 'first')
    await start('admin')
    expect(await state()).toEqual(before)
  })

  test('processes that start together leave exactly one, of one of the names', async () => {
    await start('admin', 'first')
    const names = ['one', 'two', 'three', 'four', 'one', 'two']
    await Promise.all(names.map((name) => start(name, `password of ${name}`)))
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
