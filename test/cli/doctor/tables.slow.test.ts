import { expect, onTestFinished, test } from 'vitest'
import { EngineSchema } from '../../../src/db/engine-schema.ts'
import { ENGINE_TABLES } from '../../../src/engine/store/tables.ts'
import { createRole } from '../../support/role.ts'
import { codesOf, executorRow, HEALTHY, inDatabase, remediesOf, testFaults, useExamined } from './examined.ts'

/** Faults of schema and tables, and of what a role may do there. */
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

test('many dead rows of a first minute under load are not ill', async () => {
  onTestFinished(() => examined.sql('truncate async_task_starts', 'select pg_stat_force_next_flush()'))
  await examined.sql(
    `insert into async_task_starts select 'served', '', now() from generate_series(1, 120000)`,
    'delete from async_task_starts',
    'select pg_stat_force_next_flush()',
  )
  expect(await examined.examine()).toMatchObject(HEALTHY)
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
