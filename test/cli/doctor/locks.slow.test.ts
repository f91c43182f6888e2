import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { heldFor } from '../../../src/cli/doctor/checks/sessions.ts'
import type { Patient } from '../../../src/cli/doctor/patient.ts'
import { findHeldTransactions } from '../../../src/cli/doctor/store/server.ts'
import { withClient } from '../../support/with-client.ts'
import { HEALTHY, useExamined } from './examined.ts'

/** Transactions that are held, and tables that are locked. */
const examined = useExamined()

async function open(application: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: examined.database.directUrl,
    application_name: application,
  })
  client.on('error', () => {})
  await client.connect()
  onTestFinished(() => client.end())
  return client
}

test('active maintenance holds no transaction; other statements, and its idle transactions, do', async () => {
  const begin = async (application: string, statement: string) => {
    const client = await open(application)
    await client.query('begin')
    client.query(statement).catch(() => {})
  }
  await begin('copy', ' COPY (select pg_sleep(600)) to stdout')
  await begin('pg_dump', 'select pg_sleep(600)')
  await begin('report', 'select pg_sleep(600)')
  await begin('idle copy', "copy (select 1) to '/dev/null'")
  onTestFinished(async () => {
    await examined.sql(
      `select pg_terminate_backend(pid) from pg_stat_activity where query ilike '%pg_sleep(600)%' and pid <> pg_backend_pid()`,
    )
  })
  const applicationsHeld = async () =>
    (await findHeldTransactions(examined.database.pool, 0, 0))
      .map(({ application }) => application)
      .toSorted()
  const states = `select count(*)::int as ready from pg_stat_activity
    where (application_name in ('copy', 'pg_dump', 'report') and state = 'active' and query ilike '%pg_sleep(600)%')
       or (application_name = 'idle copy' and state = 'idle in transaction' and query like 'copy%')`
  await expect.poll(async () => (await examined.database.pool.query(states)).rows[0]).toEqual({ ready: 4 })
  expect(await applicationsHeld()).toEqual(['idle copy', 'report'])
})

test('maintenance that waits for a lock holds none up, for a role with other escapes in strings, too', async () => {
  const locker = await open('locker')
  await locker.query('begin')
  await locker.query('lock table async_task_starts in access exclusive mode')
  const statements = [
    'reindex table async_task_starts',
    '\tANALYZE async_task_starts',
    'vacuum async_task_starts',
  ]
  for (const statement of statements) (await open('maintenance')).query(statement).catch(() => {})
  const waiting = `select count(*)::int as waiting from pg_stat_activity
    where application_name = 'maintenance' and wait_event_type = 'Lock'`
  await expect.poll(async () => (await examined.database.pool.query(waiting)).rows).toEqual([{ waiting: 3 }])
  const url = new URL(examined.database.directUrl)
  url.searchParams.set('options', '-c standard_conforming_strings=off')
  const odd = new pg.Pool({ connectionString: url.href, max: 1 })
  onTestFinished(() => odd.end())
  for (const pool of [examined.database.pool, odd]) {
    const held = await findHeldTransactions(pool, 0, 0)
    expect(held.map(({ application }) => application)).toEqual(['locker'])
  }
})

test('a table that is locked keeps it for a moment alone, and no statement of it goes on waiting', async () => {
  const { directUrl, pool } = examined.database
  const found = await withClient(directUrl, async (client) => {
    await client.query('begin')
    await client.query('lock table async_tasks in access exclusive mode')
    const found = await examined.examine()
    const waiting = `select count(*)::int as waiting from pg_stat_activity where wait_event_type = 'Lock'`
    expect((await pool.query(waiting)).rows).toEqual([{ waiting: 0 }])
    return found
  })
  expect(found).toMatchObject({ healthy: false, illnesses: [] })
  expect(found.notChecked).toContain('types: canceling statement due to lock timeout')
  expect(found.notChecked.join('\n')).not.toContain('timeout exceeded')
  expect(await examined.examine()).toMatchObject(HEALTHY)
})

test('a prepared transaction, which has no session, is held too, and ended by its remedy', async () => {
  await examined.sql('alter system set max_prepared_transactions = 2')
  await examined.server.restart('fast')
  const { directUrl } = examined.database
  await withClient(directUrl, async (client) => {
    await client.query('begin')
    await client.query('lock table async_task_duties in share mode')
    await client.query(`prepare transaction 'it''s lost'`)
  })
  const pool = new pg.Pool({ connectionString: examined.role.url, max: 1 })
  onTestFinished(() => pool.end())
  const heldAfter = (idleSeconds: number) =>
    heldFor(idleSeconds, 900)({ pool, facts: { database: 'any' } } as Patient)
  expect(await heldAfter(60)).toEqual([])
  const found = await heldAfter(0)
  expect(found).toMatchObject([
    {
      code: 'TRANSACTION_HELD',
      evidence: expect.stringMatching(
        /^the prepared transaction it's lost of postgres has waited for 0 seconds/,
      ),
      remedies: [expect.stringMatching(/^let the transaction manager/), `rollback prepared 'it''s lost'`],
    },
  ])
  await examined.sql(`rollback prepared 'it''s lost'`)
  expect(await heldAfter(0)).toEqual([])
})
