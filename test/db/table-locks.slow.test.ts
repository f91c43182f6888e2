import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { EngineSchema } from '../../src/db/engine-schema.ts'
import { migrate } from '../../src/db/migrate.ts'
import { type MigrationHistory, readMigrations } from '../../src/db/migrations.ts'
import { findTableLocks, takeTableLocks } from '../../src/db/table-locks.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { migrateTo } from '../support/earlier-schema.ts'

let database: TestDatabase
let clients: pg.Client[] = []
beforeEach(async () => {
  database = await createTestDatabase('empty')
  clients = []
})
afterEach(async () => {
  await Promise.all(clients.map((client) => client.end()))
  await database.drop()
})

async function connect(name = 'a session'): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: database.directUrl, application_name: name })
  clients.push(client)
  await client.connect()
  return client
}

async function pidOf(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid')
  return rows[0]?.pid ?? 0
}

/** Whether the migration holds or awaits its lock on a table. */
async function lockOn(table: string): Promise<'held' | 'awaited' | undefined> {
  const { rows } = await database.pool.query<{ granted: boolean }>(
    `select granted from pg_locks join pg_stat_activity using (pid)
      where relation = to_regclass($1) and mode = 'AccessExclusiveLock'
        and starts_with(application_name, 'fastify-async-tasks migrations')`,
    [table],
  )
  if (rows[0] === undefined) return undefined
  return rows[0].granted ? 'held' : 'awaited'
}

const insertTask = (taskId: string) =>
  `insert into async_tasks (task_id, task_type) values ('${taskId}', 'noop')`

const STRENGTHS = [
  ...['AccessShareLock', 'RowShareLock', 'RowExclusiveLock', 'ShareUpdateExclusiveLock'],
  ...['ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock'],
]

/** The strongest lock of this session on each of these tables, those of their indexes included. */
async function heldLocks(client: pg.Client, relations: readonly string[]): Promise<Map<string, number>> {
  const { rows } = await client.query<{ table: string; mode: string }>(
    `select t.relname as table, l.mode
       from pg_locks l
       left join pg_index i on i.indexrelid = l.relation
       join pg_class t on t.oid = coalesce(i.indrelid, l.relation)
      where l.pid = pg_backend_pid() and l.relation = any ($1::oid[])`,
    [relations],
  )
  const held = new Map<string, number>()
  for (const { table, mode } of rows) {
    held.set(table, Math.max(held.get(table) ?? 0, STRENGTHS.indexOf(mode)))
  }
  return held
}

test.each<MigrationHistory>(['tasks', 'server'])(
  'a migration of %s takes at its beginning all the locks that it needs',
  async (history) => {
    if (history === 'server') await migrate(database.directUrl, 'tasks', { mode: 'auto' })
    const client = await connect()
    for (const { name, sql } of readMigrations(history, EngineSchema.public)) {
      await client.query('begin')
      const { rows } = await client.query<{ oid: string }>(
        `select oid::text from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'i')`,
      )
      const relations = rows.map(({ oid }) => oid)
      await takeTableLocks(client, await findTableLocks(client, EngineSchema.public, sql), 500)
      const taken = await heldLocks(client, relations)
      for (const statement of sql) await client.query(statement)
      expect([name, await heldLocks(client, relations)]).toEqual([name, taken])
      await client.query('commit')
    }
  },
)

test('an index lets others read, and a new column does not', async () => {
  await migrateTo('0011_steps', await connect())
  const client = await connect()
  const locks = async (...statements: string[]) =>
    (await findTableLocks(client, EngineSchema.public, statements)).map(({ table, mode }) => [table, mode])
  expect(await locks('-- Why.\nCREATE INDEX "idx_new" ON "async_task_logs" USING btree ("task_id")')).toEqual(
    [['public.async_task_logs', 'share row exclusive']],
  )
  expect(
    await locks(
      'ALTER TABLE "async_task_attempts" ADD COLUMN "new" text',
      'DROP INDEX "idx_async_tasks_due"',
      'ALTER TABLE "new" ADD CONSTRAINT "fk" FOREIGN KEY ("id") REFERENCES "public"."async_task_steps"("id")',
    ),
  ).toEqual([
    ['public.async_tasks', 'access exclusive'],
    ['public.async_task_attempts', 'access exclusive'],
    ['public.async_task_steps', 'share row exclusive'],
  ])
})

test('a migration waits for a transaction that reads its table, and delays other sessions for an attempt at most', async () => {
  await migrateTo('0009_delayed_tasks', await connect())
  const reader = await connect('a report')
  await reader.query('begin; select from async_tasks')
  // Ten times what the first attempts wait.
  const writer = await connect()
  await writer.query(`set lock_timeout = '5s'`)
  let isWriting = true
  let written = 0
  const writing = (async () => {
    for (; isWriting; written += 1) await writer.query(insertTask(`task ${written}`))
  })()

  const notices: string[] = []
  const onNotice = (message: string) => void notices.push(message)
  const migrated = migrate(database.directUrl, 'tasks', { mode: 'auto', onNotice })
  await expect.poll(() => notices.length).toBeGreaterThan(1)
  expect(notices.at(-1)).toMatch(
    new RegExp(
      '^the migration 0010_trace_context has waited \\d+ s \\(attempt \\d+\\) for a lock on public.async_tasks, ' +
        `held by PostgreSQL session ${await pidOf(reader)} \\(a report from .*, idle in transaction\\) since 20`,
    ),
  )
  const before = written
  await expect.poll(() => written).toBeGreaterThan(before)
  await reader.query('commit')
  expect((await migrated)[0]).toBe('0010_trace_context')
  isWriting = false
  await writing
})

test('a migration that gets no lock in its time fails, names who holds it, and keeps the migrations before it', async () => {
  await migrateTo('0009_delayed_tasks', await connect())
  const reader = await connect('a report')
  await reader.query('begin; select from async_task_attempts')
  const pid = await pidOf(reader)
  await expect(migrate(database.directUrl, 'tasks', { mode: 'auto', lockWaitMs: 1 })).rejects.toMatchObject({
    code: 'MIGRATION_FAILED',
    message: expect.stringMatching(
      new RegExp(
        '^the migration tasks/0013_uncounted_retries failed: it waited \\d+ s \\(attempt 1\\) for a lock on ' +
          `public.async_task_attempts, held by PostgreSQL session ${pid} \\(a report.*\\) since \\S+\\. ` +
          'End what holds it, or migrate later\\. ' +
          'Applied before it: 0010_trace_context, 0011_steps, 0012_rate_limits$',
      ),
    ),
  })
  await reader.query('commit')
  expect(await migrate(database.directUrl, 'tasks', { mode: 'auto' })).toEqual(
    expect.arrayContaining(['0013_uncounted_retries']),
  )
})

test('a session that waits for a table of the migration and holds another is not the victim of a deadlock', async () => {
  await migrateTo('0000_engine', await connect())
  const worker = await connect()
  await worker.query('begin; select from async_task_attempts')
  const migrated = migrate(database.directUrl, 'tasks', { mode: 'auto' })
  const state = async () => [await lockOn('async_tasks'), await lockOn('async_task_attempts')]
  await expect.poll(state, { interval: 5 }).toEqual(['held', 'awaited'])
  await worker.query(insertTask('of the worker'))
  await worker.query('commit')
  expect(await migrated).toContain('0001_features')
})

test('a session that queues behind the migration and holds what another one waits for passes it', async () => {
  await migrateTo('0009_delayed_tasks', await connect())
  const name = new URL(database.directUrl).pathname.slice(1)
  await database.pool.query(`alter database ${name} set deadlock_timeout = '50ms'`)
  const [first, second] = [await connect(), await connect()]
  await first.query(`insert into async_task_types (task_type) values ('noop')`)
  await first.query(`begin; ${insertTask('one')}`)
  await second.query(`begin; select from async_task_types for update`)
  const migrated = migrate(database.directUrl, 'tasks', { mode: 'auto' })
  await expect.poll(() => lockOn('async_tasks'), { interval: 5 }).toBe('awaited')
  const changed = first.query('update async_task_types set claims = 1; commit')
  await second.query(insertTask('two'))
  await second.query('commit')
  await changed
  expect(await migrated).toContain('0010_trace_context')
})
