import { rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { checkVersion } from '../../../src/cli/doctor/checks/server.ts'
import type { Patient } from '../../../src/cli/doctor/patient.ts'
import { countListeners } from '../../../src/cli/doctor/store/server.ts'
import { task } from '../../../src/index.ts'
import { createTestDatabase } from '../../support/database.ts'
import { databaseUrl } from '../../support/database-url.ts'
import { createEngine } from '../../support/engine.ts'
import { HAS_PGBOUNCER, startPgBouncer } from '../../support/pgbouncer-process.ts'
import { withClient } from '../../support/with-client.ts'
import { codesOf, HEALTHY, inDatabase, remediesOf, testFaults, useExamined } from './examined.ts'

/** Faults of the server, of the way to it, and of what the role may. */
const examined = useExamined()
const count = task('doctor_count')((_params, ctx) => ctx.progress(1, 1))
afterEach(() => void vi.useRealTimers())

/** A statement that names the database by %I. */
const onDatabase = (statement: string) =>
  `do $$ begin execute format('${statement}', current_database()); end $$`

testFaults(examined, [
  [
    'a port on which nobody listens',
    ['CONNECTION_FAILS'],
    /correct host and port/,
    { inject: [], heal: [], target: () => ({ url: 'postgres://me:hunter2@127.0.0.1:1/app' }) },
  ],
  [
    'a wrong password',
    ['CONNECTION_FAILS'],
    /correct user and password/,
    { inject: [], heal: [], target: () => ({ url: examined.role.url.replace('secret', 'hunter2') }) },
  ],
  [
    'no such database',
    ['CONNECTION_FAILS'],
    /correct the name of the database/,
    { inject: [], heal: [], target: () => ({ url: databaseUrl(examined.database.url, 'nowhere') }) },
  ],
  [
    'TLS that the server has not',
    ['CONNECTION_FAILS'],
    /^correct sslmode/,
    { inject: [], heal: [], target: () => ({ url: `${examined.role.url}?sslmode=require` }) },
  ],
  [
    'a database that the role may not connect to',
    ['CONNECTION_FAILS'],
    /^grant connect/,
    {
      inject: [onDatabase('revoke connect on database %I from public')],
      heal: [onDatabase('grant connect on database %I to public')],
      target: examined.asRole,
    },
  ],
  [
    'a database of another encoding',
    ['UNSUPPORTED_DATABASE', 'SCHEMA_MISSING'],
    /encoding 'UTF8'/,
    {
      inject: [`create database latin template template0 encoding 'LATIN1' locale 'C'`],
      heal: ['drop database latin'],
      target: () => ({
        url: databaseUrl(examined.database.url, 'latin'),
        directUrl: databaseUrl(examined.database.directUrl, 'latin'),
      }),
    },
  ],
  [
    'a role that only reads',
    ['UNSUPPORTED_DATABASE'],
    /reset default_transaction_read_only/,
    inDatabase('default_transaction_read_only = on'),
  ],
  [
    'foreign keys that do not hold',
    ['UNSUPPORTED_DATABASE'],
    /reset session_replication_role/,
    inDatabase('session_replication_role = replica'),
  ],
  [
    'commits that are not waited for',
    ['COMMITS_NOT_DURABLE'],
    /reset synchronous_commit/,
    inDatabase('synchronous_commit = off'),
  ],
])

test.each([
  ['the server', 'alter system'],
  ['all roles', 'alter role all'],
  ['the database', 'alter database %I'],
  ['the role', 'alter role current_user'],
])('a setting of %s is healed by its first remedy', async (_whose, alter) => {
  const change = (what: string) =>
    alter === 'alter system' ? `${alter} ${what}` : onDatabase(`${alter} ${what}`)
  onTestFinished(() =>
    examined.sql(
      change('reset synchronous_commit'),
      onDatabase('alter role current_user in database %I reset all'),
      'select pg_reload_conf()',
    ),
  )
  await examined.sql(change('set synchronous_commit = off'), 'select pg_reload_conf()')
  await expect.poll(async () => codesOf(await examined.examine())).toEqual(['COMMITS_NOT_DURABLE'])
  await examined.sql(...remediesOf(await examined.examine()))
  expect(await examined.examine()).toMatchObject(HEALTHY)
})

test('a database that is read-only is healed by the first remedy, in a session that is read-only, too', async () => {
  onTestFinished(() => examined.sql(onDatabase('alter database %I reset default_transaction_read_only')))
  await examined.sql(onDatabase('alter database %I set default_transaction_read_only = on'))
  const found = await examined.examine()
  expect(codesOf(found)).toEqual(['UNSUPPORTED_DATABASE'])
  await withClient(examined.database.directUrl, (client) => client.query(remediesOf(found)[0] ?? ''))
  expect(await examined.examine()).toMatchObject(HEALTHY)
})

test.each([
  [140_012, '14.12', 'the server is PostgreSQL 14.12, and the engine needs 15 or later'],
  [150_000, '15.0', undefined],
])('a server of version %d is judged', async (versionNumber, version, evidence) => {
  const facts = { versionNumber, version } as Patient['facts']
  const found = await checkVersion({ facts } as Patient)
  const tooOld = { code: 'SERVER_TOO_OLD', evidence, remedies: ['upgrade the server'] }
  expect(found).toEqual(evidence === undefined ? [] : [tooOld])
})

test('a role that has used up its connections is found', async () => {
  await examined.sql(`alter role ${examined.role.name} connection limit 10`)
  const held = Array.from({ length: 8 }, () => new pg.Client({ connectionString: examined.role.url }))
  onTestFinished(async () => {
    await Promise.all(held.map((client) => client.end()))
    await examined.sql(`alter role ${examined.role.name} connection limit -1`)
  })
  await Promise.all(held.map((client) => client.connect()))
  const found = await examined.examine(examined.asRole(), { DATABASE_POOL_MAX: '1' })
  expect(codesOf(found)).toEqual(['CONNECTIONS_USED_UP'])
})

test('a role with a single connection is told which connection string lacks a second one', async () => {
  onTestFinished(() => examined.sql(`alter role ${examined.role.name} connection limit -1`))
  await examined.sql(`alter role ${examined.role.name} connection limit 1`)
  const found = await examined.examine(examined.asRole(), { DATABASE_POOL_MAX: '' })
  expect(codesOf(found)).toEqual(['CONNECTION_FAILS', 'CONNECTIONS_USED_UP'])
  expect(found.illnesses[0]?.evidence).toMatch(
    /^DATABASE_URL leads to no database: too many connections for role/,
  )
})

test('a server without a free connection is found by a role that may not look into the sessions of others', async () => {
  const held = Array.from({ length: 88 }, () => new pg.Client({ connectionString: examined.database.url }))
  onTestFinished(async () => {
    await Promise.all(held.map((client) => client.end()))
  })
  for (const client of held) await client.connect()
  const found = await examined.examine(examined.asRole(), { DATABASE_POOL_MAX: '1' })
  expect(codesOf(found)).toEqual(['CONNECTIONS_USED_UP'])
  expect(found.illnesses[0]?.evidence).toMatch(/^the server \(max_connections\) has \d\d connections of 97$/)
})

test("a clock of this machine that differs from the database's is found", async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 600_000 })
  const found = await examined.examine()
  expect(codesOf(found)).toEqual(['CLOCK_DIFFERS'])
  expect(found.illnesses[0]?.evidence).toContain('10 minutes ahead of')
})

test('a standby is found, and is no broken connection', async () => {
  const { rows } = await examined.database.pool.query('show data_directory')
  const signal = path.join(rows[0].data_directory, 'standby.signal')
  writeFileSync(signal, '')
  onTestFinished(async () => {
    rmSync(signal)
    await examined.server.restart('fast')
  })
  await examined.server.restart('fast')
  expect(codesOf(await examined.examine())).toEqual(['UNSUPPORTED_DATABASE'])

  const other = await createTestDatabase()
  onTestFinished(() => other.drop())
  const { directUrl } = examined.database
  const found = await examined.examine({ ...other, directUrl })
  expect(codesOf(found)).toContain('LISTEN_FAILS')
  expect(codesOf(found)).not.toContain('CONNECTION_FAILS')
  expect(found.illnesses[0]?.evidence).toMatch(/^LISTEN is refused \(.*recovery\)/)
})

describe.runIf(HAS_PGBOUNCER || process.env.CI)('behind PgBouncer', () => {
  async function through(poolMode?: string): Promise<string> {
    const pooler = await startPgBouncer(examined.database.directUrl, poolMode)
    onTestFinished(() => pooler.stop())
    return pooler.urlOf(examined.database.directUrl)
  }

  test('notifications that do not arrive are found', async () => {
    const found = await examined.examine({ directUrl: await through() })
    expect(codesOf(found)).toEqual(['LISTEN_FAILS'])
    expect(remediesOf(found)[0]).toContain('DATABASE_DIRECT_URL')
  })

  test('they are no illness where only the pooler is known and an executor listens past it', async () => {
    const url = await through()
    const only = { url, directUrl: url }
    const env = { DATABASE_DIRECT_URL: '', DATABASE_PREPARED: 'false' }
    expect(codesOf(await examined.examine(only, env))).toEqual(['LISTEN_FAILS'])
    const { executor: one } = createEngine(examined.database, [count], {}, { hears: true })
    onTestFinished(() => one.stop())
    one.start()
    await expect
      .poll(() => countListeners(examined.database.pool, examined.database.schema.channel), {
        timeout: 90_000,
      })
      .toBe(1)
    expect(await examined.examine(only, env)).toMatchObject(HEALTHY)
  })

  test('nor where the connection string of that executor has a name for its sessions', async () => {
    const url = await through()
    const named = new URL(examined.database.directUrl)
    named.searchParams.set('application_name', 'shop')
    const database = { ...examined.database, directUrl: named.href }
    const { executor } = createEngine(database, [count], {}, { hears: true })
    onTestFinished(() => executor.stop())
    executor.start()
    const env = { DATABASE_DIRECT_URL: '', DATABASE_PREPARED: 'false' }
    const codes = async () => codesOf(await examined.examine({ url, directUrl: url }, env))
    await expect.poll(codes, { timeout: 90_000 }).toEqual([])
  })

  test('prepared statements that get lost are found, and healed by the remedy', async () => {
    const url = await through()
    const found = await examined.examine({ url })
    expect(codesOf(found)).toEqual(['PREPARED_STATEMENTS_FAIL'])
    expect(remediesOf(found)[0]).toContain('DATABASE_PREPARED=false')
    expect(await examined.examine({ url }, { DATABASE_PREPARED: 'false' })).toMatchObject(HEALTHY)
  })

  test('statement mode is found', async () => {
    const found = await examined.examine({ url: await through('statement') })
    expect(codesOf(found)).toContain('POOL_MODE')
  })

  test("the role's time limits, which the engine cannot lift there, are found", async () => {
    const { inject, heal } = inDatabase('statement_timeout = 5000')
    onTestFinished(() => examined.sql(...heal))
    await examined.sql(...inject)
    const found = await examined.examine({ url: await through() }, { DATABASE_PREPARED: 'false' })
    expect(codesOf(found)).toEqual(['ROLE_SETTINGS'])
    expect(remediesOf(found)[0]).toContain('a role of its own')
  })
})
