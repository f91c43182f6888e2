import { expect, onTestFinished, test } from 'vitest'
import type { IllnessCode } from '../../../src/cli/doctor/illness.ts'
import { EngineSchema } from '../../../src/db/engine-schema.ts'
import { expectedIndexes } from '../../../src/db/expected-indexes.ts'
import { migrate } from '../../../src/db/migrate.ts'
import { runAsOwner } from '../../support/role.ts'
import { withClient } from '../../support/with-client.ts'
import { codesOf, HEALTHY, remediesOf, useExamined } from './examined.ts'

const examined = useExamined()

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
  [
    'no condition',
    'create index idx_async_tasks_expires on async_tasks (expires_at)',
    'idx_async_tasks_expires',
  ],
])(
  'an index that was built again with %s is found, and healed by its remedy',
  async (_what, create, name) => {
    await examined.sql(`drop index ${name}`, create)
    const found = await examined.examine()
    expect(found.illnesses).toMatchObject([
      { code: 'INDEX_MISSING', evidence: expect.stringMatching(`^the index ${name} is not the one`) },
    ])
    await examined.sql(...(remediesOf(found)[0] ?? '').split('; '))
    expect(await examined.examine()).toMatchObject(HEALTHY)
  },
)

test.each([
  ['built anew', 'select', 'reindex index concurrently idx_async_task_starts'],
  [
    'built',
    'drop index idx_async_task_starts',
    'create index concurrently idx_async_task_starts on async_task_starts (task_type, rate_key, started_at)',
  ],
])('an index that is being %s is neither invalid nor missing', async (_how, before, build) => {
  const { directUrl, pool } = examined.database
  await examined.sql(before)
  await withClient(directUrl, async (writer) => {
    await writer.query('begin')
    await writer.query('lock table async_task_starts in row exclusive mode')
    await withClient(directUrl, async (builder) => {
      const building = builder.query(build)
      building.catch(() => {})
      const waiting = `select from pg_stat_progress_create_index where phase like 'waiting for writers%'`
      await expect.poll(async () => (await pool.query(waiting)).rowCount).toBe(1)
      expect(await examined.examine()).toMatchObject(HEALTHY)
      await writer.query('commit')
      await building
    })
  })
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
    notChecked: [
      expect.stringMatching(/^indexes: the database is newer than this code, which works with it/),
    ],
  })
})

test.each(['ccnew', 'ccnew1', 'ccold', 'ccold2'])(
  'what a failed reindex leaves as %s is dropped',
  async (suffix) => {
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
  },
)

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
