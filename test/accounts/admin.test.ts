import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { ensureAdmin } from '../../src/accounts/admin.ts'
import { verifyPassword } from '../../src/accounts/passwords.ts'
import { findCredentials, findSessionUser, openSession, setRole } from '../../src/accounts/store.ts'
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
  await openSession(database.pool, { id: 'session', userId, passwordHash, ttlSeconds: 60 })
  return async () => (await findSessionUser(database.pool, 'session')) !== undefined
}

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
    const session = { id: 'late', userId, passwordHash, ttlSeconds: 60 }
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
