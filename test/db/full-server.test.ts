import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createPool } from '../../src/db/client.ts'
import { createDatabase, execute, statement } from '../../src/db/database.ts'
import { migrate } from '../../src/db/migrate.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'

let database: TestDatabase
let role: string
/** Of a role that may have one connection, and the one that it has. */
let url: string
let held: pg.Client

beforeEach(async () => {
  database = await createTestDatabase()
  role = `crowded_${randomBytes(4).toString('hex')}`
  await database.pool.query(`create role ${role} login password 'secret' connection limit 1`)
  await database.pool.query(`grant all on all tables in schema public to ${role}`)
  const limited = new URL(database.directUrl)
  limited.username = role
  limited.password = 'secret'
  url = limited.href
  held = new pg.Client({ connectionString: url })
  await held.connect()
})

afterEach(async () => {
  await held.end()
  await database.pool.query(`drop owned by ${role}; drop role ${role}`)
  await database.drop()
})

test('a start waits for a connection where the server has none left, and logs that', async () => {
  const waits = Promise.withResolvers<string>()
  const migrated = migrate(url, 'tasks', { mode: 'verify', onNotice: waits.resolve })
  expect(await waits.promise).toBe('the database has no connection left: waiting for one')
  await held.end()
  expect(await migrated).toEqual([])
})

test('a start that waits can be ended', async () => {
  const waits = Promise.withResolvers<string>()
  const stop = new AbortController()
  const migrated = migrate(url, 'tasks', { mode: 'verify', onNotice: waits.resolve, signal: stop.signal })
  await waits.promise
  const reason = new Error('stopping')
  stop.abort(reason)
  await expect(migrated).rejects.toBe(reason)
})

test('a statement waits for a connection, for a while', async () => {
  const pool = createPool({ connectionString: url, max: 2 })
  try {
    const one = execute<{ one: number }>(
      createDatabase(pool, { prepared: false }),
      statement('one', 'select 1 as one'),
      [],
    )
    const refused = new pg.Client({ connectionString: url })
    await expect(refused.connect()).rejects.toMatchObject({ code: '53300' })
    await held.end()
    expect(await one).toEqual([{ one: 1 }])
  } finally {
    await pool.end()
  }
})

test('a server that stays full is an outage once the time for connecting is over', async () => {
  const pool = createPool({ connectionString: url, max: 2 })
  // Time enough to be refused once: a connection that is not even answered in it is another error.
  pool.options.connectionTimeoutMillis = 3_000
  try {
    const db = createDatabase(pool, { prepared: false })
    await expect(execute(db, statement('one', 'select 1'), [])).rejects.toMatchObject({ code: '53300' })
  } finally {
    await pool.end()
  }
})
