import { afterEach, beforeEach, expect, test } from 'vitest'
import { migrate } from '../../src/db/migrate.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { databaseUrl } from '../support/database-url.ts'

let database: TestDatabase
beforeEach(async () => {
  database = await createTestDatabase('empty')
})
afterEach(() => database.drop())

const auto = { mode: 'auto' } as const
const verify = { mode: 'verify' } as const

async function tables(): Promise<string[]> {
  const { rows } = await database.pool.query<{ name: string }>(
    `select table_schema || '.' || table_name as name from information_schema.tables
      where table_schema not in ('pg_catalog', 'information_schema') order by 1`,
  )
  return rows.map((row) => row.name)
}

test('an empty database gets both histories, and a second run finds nothing to do', async () => {
  expect(await migrate(database.url, 'tasks', auto)).toContain('0000_engine')
  expect(await migrate(database.url, 'server', auto)).toContain('0000_server')
  expect(await tables()).toEqual(
    expect.arrayContaining(['public.async_tasks', 'public.users', 'public.daily_market_data']),
  )
  expect(await migrate(database.url, 'tasks', auto)).toEqual([])
  expect(await migrate(database.url, 'server', auto)).toEqual([])
  await migrate(database.url, 'server', verify)
})

test('of several that start at once one applies the migrations and the others wait for it', async () => {
  const applied = await Promise.all(Array.from({ length: 5 }, () => migrate(database.url, 'tasks', auto)))
  expect(applied.filter((names) => names.length > 0)).toHaveLength(1)
})

test('verify refuses a database that lacks migrations, by their names, and changes nothing', async () => {
  await expect(migrate(database.url, 'tasks', verify)).rejects.toMatchObject({
    code: 'MIGRATION_FAILED',
    message: expect.stringContaining('0000_engine'),
  })
  expect(await tables()).toEqual([])
})

test.each([auto, verify])('a database newer than the code is refused in mode $mode', async (options) => {
  await migrate(database.url, 'tasks', auto)
  await database.pool.query(
    `insert into async_tasks_migrations (hash, created_at) values ('later', 4102444800000)`,
  )
  await expect(migrate(database.url, 'tasks', options)).rejects.toMatchObject({
    code: 'MIGRATION_FAILED',
    message: expect.stringMatching(/newer than this code.*2100-01-01.*Run the version/s),
  })
})

test('a migration older than the newest applied one is refused by name instead of being skipped', async () => {
  await migrate(database.url, 'tasks', auto)
  await migrate(database.url, 'server', auto)
  await database.pool.query('delete from server_migrations where id = 1')
  await expect(migrate(database.url, 'server', auto)).rejects.toMatchObject({
    code: 'MIGRATION_FAILED',
    message: expect.stringMatching(/0000_server.*older than the newest/),
  })
})

test('a migration that fails leaves the database as it was', async () => {
  // The server's tables refer to the engine's, which are not there.
  await expect(migrate(database.url, 'server', auto)).rejects.toMatchObject({
    code: 'MIGRATION_FAILED',
    message: expect.stringContaining(
      'server/0000_server failed: relation "public.async_tasks" does not exist',
    ),
  })
  expect(await tables()).toEqual([])
})

test('a server that does not respond is reported', async () => {
  await expect(migrate('postgres://nobody@localhost:1/none', 'tasks', auto)).rejects.toMatchObject({
    code: 'DATABASE_UNAVAILABLE',
    message: expect.stringContaining('ECONNREFUSED'),
  })
})

test('a role needs no privilege but CREATE on the schema public, and a schema of its own does not mislead', async () => {
  const { pool } = database
  const role = new URL(database.url).pathname.slice(1)
  await pool.query(`create role ${role} login password 'secret'`)
  try {
    await pool.query(
      `create schema ${role} authorization ${role}; grant create, usage on schema public to ${role}`,
    )
    const url = new URL(database.url)
    url.username = role
    url.password = 'secret'
    await migrate(url.href, 'tasks', auto)
    const found = await tables()
    expect(found).toContain('public.async_tasks')
    expect(found.filter((name) => name.startsWith(`${role}.`))).toEqual([])
  } finally {
    await pool.query(`drop owned by ${role}; drop role ${role}`)
  }
})

test('a task outlives the user who asked for it', async () => {
  await migrate(database.url, 'tasks', auto)
  await migrate(database.url, 'server', auto)
  const { pool } = database
  await pool.query(`insert into users (id, username, password_hash) values ('u1', 'ann', 'x')`)
  await pool.query(`insert into async_tasks (task_id, task_type, created_by) values ('task_1', 'noop', 'u1')`)
  await pool.query(`delete from users where id = 'u1'`)
  const { rows } = await pool.query('select task_id, created_by from async_tasks')
  expect(rows).toEqual([{ task_id: 'task_1', created_by: null }])
})

test.each([
  ['default_transaction_read_only', 'on'],
  ['session_replication_role', 'replica'],
])('%s = %s is refused by its name, and nothing is applied', async (setting, value) => {
  const name = new URL(database.url).pathname.slice(1)
  await database.pool.query(`alter database ${name} set ${setting} = '${value}'`)
  await expect(migrate(database.url, 'tasks', auto)).rejects.toMatchObject({
    code: 'UNSUPPORTED_DATABASE',
    message: expect.stringContaining(setting),
  })
  expect(await tables()).toEqual([])
})

test.each(['LATIN1', 'SQL_ASCII'])('a database encoded as %s is refused by that name', async (encoding) => {
  const name = `${new URL(database.url).pathname.slice(1)}_${encoding.toLowerCase()}`
  await database.pool.query(
    `create database ${name} template template0 encoding '${encoding}' locale 'C' locale_provider libc`,
  )
  try {
    await expect(migrate(databaseUrl(database.directUrl, name), 'tasks', auto)).rejects.toMatchObject({
      code: 'UNSUPPORTED_DATABASE',
      message: expect.stringContaining(`encoding is ${encoding}, and must be UTF8`),
    })
  } finally {
    await database.pool.query(`drop database ${name} with (force)`)
  }
})
