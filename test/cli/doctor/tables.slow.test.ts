import pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { heldFor } from '../../../src/cli/doctor/checks/sessions.ts'
import type { IllnessCode } from '../../../src/cli/doctor/illness.ts'
import type { Patient } from '../../../src/cli/doctor/patient.ts'
import { findHeldTransactions } from '../../../src/cli/doctor/store/server.ts'
import { EngineSchema } from '../../../src/db/engine-schema.ts'
import { ENGINE_TABLES } from '../../../src/engine/store/tables.ts'
import { expectedIndexes } from '../../../src/db/expected-indexes.ts'
import { migrate } from '../../../src/db/migrate.ts'
import { createRole, runAsOwner } from '../../support/role.ts'
import { withClient } from '../../support/with-client.ts'
import { codesOf, executorRow, HEALTHY, inDatabase, remediesOf, testFaults, useExamined } from './examined.ts'

/** Faults of schema, tables and indexes, and what keeps their dead rows. */
const examined = useExamined()

testFaults(examined, [
  [
    'another schema',
    ['SCHEMA_MISSING'],
    /^run npx fastify-async-tasks migrate --schema "Other jobs"/,
    { inject: [], heal: [], target: () => ({ schema: new EngineSchema('Other jobs') }) },
  ],
  [
    'the last migrations not applied',
    ['SCHEMA_MISSING'],
    /^run npx fastify-async-tasks migrate$/m,
    {
      inject: [
        'create table kept as select * from async_tasks_migrations',
        'delete from async_tasks_migrations where id > 3',
      ],
      heal: [
        'delete from async_tasks_migrations',
        'insert into async_tasks_migrations select * from kept',
        'drop table kept',
      ],
    },
  ],
  [
    'a schema of a later version',
    ['SCHEMA_TOO_NEW'],
    /run the version of fastify-async-tasks that applied/,
    {
      inject: [
        `insert into async_tasks_migrations (hash, created_at, oldest_version) values ('new', 9000000000000, '99.0.0')`,
      ],
      heal: [`delete from async_tasks_migrations where hash = 'new'`],
    },
  ],
  [
    'a lost table',
    ['TABLES_MISSING'],
    /restore them from a backup/,
    {
      inject: ['alter table async_task_duties rename to lost'],
      heal: ['alter table lost rename to async_task_duties'],
    },
  ],
  [
    'a lost journal of migrations',
    ['TABLES_MISSING'],
    /restore them from a backup/,
    {
      inject: ['alter table async_tasks_migrations rename to lost'],
      heal: ['alter table lost rename to async_tasks_migrations'],
    },
  ],
  [
    'a schema that may not be used',
    ['GRANTS_MISSING'],
    /^grant usage on schema public to /,
    {
      inject: ['revoke usage on schema public from public'],
      heal: ['grant usage on schema public to public'],
      target: examined.asRole,
    },
  ],
  [
    'row security',
    ['ROW_SECURITY'],
    /disable row level security/,
    {
      inject: ['alter table async_task_logs enable row level security'],
      heal: ['alter table async_task_logs disable row level security'],
      target: examined.asRole,
    },
  ],
  [
    'a table that is not vacuumed',
    ['AUTOVACUUM_OFF'],
    /reset \(autovacuum_enabled\)/,
    {
      inject: ['alter table async_task_logs set (autovacuum_enabled = off)'],
      heal: ['alter table async_task_logs reset (autovacuum_enabled)'],
    },
  ],
  [
    'dead rows that are not counted',
    ['AUTOVACUUM_OFF'],
    /^alter role postgres in database \w+ reset track_counts$/,
    inDatabase('track_counts = off'),
  ],
  [
    'many dead rows',
    ['AUTOVACUUM_OFF', 'BLOAT'],
    /vacuum \(analyze\) public\.async_task_starts/,
    {
      inject: [
        'alter table async_task_starts set (autovacuum_enabled = off)',
        `insert into async_task_starts select 'served', '', now() from generate_series(1, 120000)`,
        'select pg_stat_force_next_flush()',
        'delete from async_task_starts',
        'select pg_stat_force_next_flush()',
      ],
      heal: [
        'truncate async_task_starts',
        'alter table async_task_starts reset (autovacuum_enabled)',
        'select pg_stat_force_next_flush()',
      ],
    },
  ],
])

test.each<[name: string, code: IllnessCode, inject: string]>([
  ['a missing index', 'INDEX_MISSING', 'drop index idx_async_tasks_unique_key'],
  [
    'a missing primary key',
    'INDEX_MISSING',
    'alter table async_task_duties drop constraint async_task_duties_pkey',
  ],
  [
    'a missing unique constraint',
    'INDEX_MISSING',
    'alter table async_task_params drop constraint async_task_params_task_id_key_key',
  ],
  [
    'an invalid index',
    'INDEX_INVALID',
    `update pg_index set indisvalid = false where indexrelid = 'idx_async_tasks_due'::regclass`,
  ],
])('%s is found, and healed by its remedy', async (_name, code, inject) => {
  await examined.sql(inject)
  const found = await examined.examine()
  expect(codesOf(found)).toEqual([code])
  await examined.sql(...remediesOf(found))
  expect(await examined.examine()).toMatchObject(HEALTHY)
})

test.each([
  ['other columns', 'create index idx_async_tasks_due on async_tasks (run_at)', 'idx_async_tasks_due'],
  [
    'no uniqueness',
    `create index idx_async_tasks_unique_key on async_tasks (unique_key)
      where unique_key is not null and status in ('pending', 'running')`,
    'idx_async_tasks_unique_key',
  ],
  ['no condition', 'create index idx_async_tasks_expires on async_tasks (expires_at)', 'idx_async_tasks_expires'],
])('an index that was built again with %s is found, and healed by its remedy', async (_what, create, name) => {
  await examined.sql(`drop index ${name}`, create)
  const found = await examined.examine()
  expect(found.illnesses).toMatchObject([
    { code: 'INDEX_MISSING', evidence: expect.stringMatching(`^the index ${name} is not the one`) },
  ])
  await examined.sql(...(remediesOf(found)[0] ?? '').split('; '))
  expect(await examined.examine()).toMatchObject(HEALTHY)
})

test('an index that a later version has dropped is not missed', async () => {
  onTestFinished(() =>
    examined.sql(
      `delete from async_tasks_migrations where hash = 'new'`,
      'alter index lost rename to idx_async_tasks_expires',
    ),
  )
  await examined.sql(
    `insert into async_tasks_migrations (hash, created_at, oldest_version) values ('new', 9000000000000, '0.0.1')`,
    'alter index idx_async_tasks_expires rename to lost',
  )
  expect(await examined.examine()).toMatchObject({
    ...HEALTHY,
    notChecked: [expect.stringMatching(/^indexes: the database is newer than this code, which works with it/)],
  })
})

test.each(['ccnew', 'ccnew1', 'ccold', 'ccold2'])('what a failed reindex leaves as %s is dropped', async (suffix) => {
  const name = `idx_async_tasks_due_${suffix}`
  await examined.sql(
    `create index ${name} on async_tasks (run_at)`,
    `update pg_index set indisvalid = false where indexrelid = '${name}'::regclass`,
  )
  const found = await examined.examine()
  expect(found.illnesses).toMatchObject([
    { code: 'INDEX_INVALID', remedies: [`drop index concurrently public.${name}`] },
  ])
  await examined.sql(...remediesOf(found))
  expect(await examined.examine()).toMatchObject(HEALTHY)
})

test('each index of a schema with an odd name is missed, and built anew by its remedy', async () => {
  const database = await examined.server.createDatabase()
  onTestFinished(() => database.drop())
  const schema = new EngineSchema('Odd "jobs" $1')
  await migrate(database.directUrl, 'tasks', { mode: 'auto', schema })
  for (const drops of [
    `select format('alter table %s drop constraint %I cascade', conrelid::regclass, conname) as sql
       from pg_constraint where connamespace = $1::regnamespace and contype in ('p', 'u')`,
    `select format('drop index %s', indexrelid::regclass) as sql
       from pg_index i join pg_class c on c.oid = i.indrelid where c.relnamespace = $1::regnamespace`,
  ]) {
    const { rows } = await database.pool.query<{ sql: string }>(drops, [schema.quoted])
    for (const { sql } of rows) await database.pool.query(sql)
  }
  const found = await examined.examine({ ...database, schema })
  expect(codesOf(found)).toEqual(['INDEX_MISSING'])
  expect(found.illnesses).toHaveLength(expectedIndexes(schema).size)
  await runAsOwner(database, remediesOf(found))
  expect(await examined.examine({ ...database, schema })).toMatchObject(HEALTHY)
  const { rows } = await database.pool.query(
    'select count(*)::int as unique from pg_index i join pg_class c on c.oid = i.indrelid where c.relnamespace = $1::regnamespace and i.indisunique',
    [schema.quoted],
  )
  // Each table but that of starts has a key; tasks and params have two, and tasks a unique index.
  expect(rows).toEqual([{ unique: 19 }])
})

test.each([
  ['of all tables', 'update, delete on all tables in schema public'],
  ['of one table', 'insert on async_task_starts'],
  ['of the journal of migrations', 'select on async_tasks_migrations'],
])('missing grants %s are found, and healed by their remedies', async (_name, grants) => {
  await examined.sql(`revoke ${grants} from ${examined.role.name}`)
  const found = await examined.examine(examined.asRole())
  expect(codesOf(found)).toEqual(['GRANTS_MISSING'])
  await examined.sql(...remediesOf(found))
  expect(await examined.examine(examined.asRole())).toMatchObject({
    ...HEALTHY,
    notChecked: [`transactions of other roles: grant pg_read_all_stats to ${examined.role.name}`],
  })
})

test('a role that may only select sees all other illnesses, too', async () => {
  const reader = await createRole(examined.database)
  onTestFinished(async () => {
    await examined.sql(`delete from async_task_executors where stuck <> '{}'`)
    await reader.drop()
  })
  await examined.sql(
    `grant select on all tables in schema public to ${reader.name}`,
    executorRow({ stuck: '{task_1}' }),
  )
  const found = await examined.examine({ url: reader.url, directUrl: reader.url })
  expect(codesOf(found)).toEqual(['GRANTS_MISSING', 'HANDLER_STUCK'])
})

test('the remedies name a role that is called like a word of SQL', async () => {
  await examined.sql(`create role "user" login password 'secret'`)
  onTestFinished(() => examined.sql('drop owned by "user" cascade', 'drop role "user"'))
  const url = new URL(examined.database.directUrl)
  url.username = 'user'
  url.password = 'secret'
  const target = { url: url.href, directUrl: url.href }
  const found = await examined.examine(target)
  expect(codesOf(found)).toEqual(['GRANTS_MISSING'])
  await examined.sql(...remediesOf(found))
  expect(await examined.examine(target)).toMatchObject(HEALTHY)
})

test('a journal without the tables that it names is no lack of migrations', async () => {
  const database = await examined.server.createDatabase()
  onTestFinished(() => database.drop())
  for (const table of ENGINE_TABLES) await database.pool.query(`drop table ${table} cascade`)
  const found = await examined.examine(database)
  expect(codesOf(found)).toEqual(['TABLES_MISSING'])
  expect(found.illnesses[0]?.evidence).toMatch(/lacks the tables .* and 12 more$/)
})

test('active maintenance holds no transaction; other statements, and its idle transactions, do', async () => {
  const open = async (application: string, ...statements: string[]) => {
    const client = new pg.Client({
      connectionString: examined.database.directUrl,
      application_name: application,
    })
    client.on('error', () => {})
    await client.connect()
    onTestFinished(() => client.end())
    await client.query('begin')
    for (const statement of statements) client.query(statement).catch(() => {})
  }
  await open('copy', ' COPY (select pg_sleep(600)) to stdout')
  await open('pg_dump', 'select pg_sleep(600)')
  await open('report', 'select pg_sleep(600)')
  await open('idle copy', "copy (select 1) to '/dev/null'")
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
  const open = async (application: string) => {
    const client = new pg.Client({
      connectionString: examined.database.directUrl,
      application_name: application,
    })
    client.on('error', () => {})
    await client.connect()
    onTestFinished(() => client.end())
    return client
  }
  const locker = await open('locker')
  await locker.query('begin')
  await locker.query('lock table async_task_starts in access exclusive mode')
  const statements = ['reindex table async_task_starts', '\tANALYZE async_task_starts', 'vacuum async_task_starts']
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
      evidence: expect.stringMatching(/^the prepared transaction it's lost of postgres has waited for 0 seconds/),
      remedies: [expect.stringMatching(/^let the transaction manager/), `rollback prepared 'it''s lost'`],
    },
  ])
  await examined.sql(`rollback prepared 'it''s lost'`)
  expect(await heldAfter(0)).toEqual([])
})
