import { readFileSync } from 'node:fs'
import Fastify, { type FastifyInstance } from 'fastify'
import { beforeEach, describe, expect, test } from 'vitest'
import { EngineSchema } from '../../src/db/engine-schema.ts'
import { migrate } from '../../src/db/migrate.ts'
import { readMigrations } from '../../src/db/migrations.ts'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import asyncTasks, { type AsyncTasksOptions } from '../../src/plugin.ts'
import { version } from '../../src/version.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { migrateTo } from '../support/earlier-schema.ts'

const { task } = createTaskRegistry()
const greet = task('greet')(() => 'hello')

const jobs = new EngineSchema('jobs')
const auto = { mode: 'auto', schema: jobs } as const

let database: TestDatabase
let apps: FastifyInstance[] = []
beforeEach(async () => {
  database = await createTestDatabase('empty')
  await migrate(database.directUrl, 'tasks', auto)
  apps = []
  return async () => {
    await Promise.all(apps.map((app) => app.close()))
    await database.drop()
  }
})

/** What a later version would have applied: it adds, and says beside which versions it works. */
async function addLaterMigration(oldestVersion: string | null): Promise<void> {
  await database.pool.query(
    `alter table jobs.async_tasks add column mood text not null default 'good', add column weight int;
     create table jobs.async_task_moods (task_id varchar(50) references jobs.async_tasks (task_id) on delete cascade)`,
  )
  await database.pool.query(
    `insert into jobs.async_tasks_migrations (hash, created_at, oldest_version) values ('later', 4102444800000, $1)`,
    [oldestVersion],
  )
}

async function start(
  options: Partial<AsyncTasksOptions> = {},
): Promise<{ app: FastifyInstance; warnings: string[] }> {
  const warnings: string[] = []
  const stream = { write: (line: string) => void warnings.push(JSON.parse(line).msg) }
  const app = Fastify({ logger: { level: 'warn', stream }, pluginTimeout: 0 })
  apps.push(app)
  const base = {
    connectionString: database.directUrl,
    schema: 'jobs',
    tasks: [greet],
    routes: false,
  } as const
  await app.register(asyncTasks, { ...base, ...options })
  await app.ready()
  return { app, warnings }
}

describe('on a schema that a later version has migrated', () => {
  test.each(['auto', 'verify'] as const)('a process starts, says so once and works: %s', async (mode) => {
    await addLaterMigration(version)
    const { app, warnings } = await start({ migrate: mode })
    const { taskId } = await app.tasks.createTask(greet)
    expect(await app.tasks.waitFor(taskId)).toMatchObject({ status: 'completed', result: 'hello' })
    await app.tasks.retryTask(taskId)
    expect(await app.tasks.waitFor(taskId)).toMatchObject({ status: 'completed', retryCount: 0 })
    expect(warnings).toEqual([
      `the database is newer than this code, which works with it: its tasks history holds 1 migration(s) that this version, ${version}, does not know (made 2100-01-01T00:00:00.000Z)`,
    ])
  })

  test.each(['auto', 'verify'] as const)(
    'it is refused below the bound, which is named: %s',
    async (mode) => {
      await addLaterMigration('99.1.0')
      await expect(start({ migrate: mode })).rejects.toMatchObject({
        code: 'MIGRATION_FAILED',
        message: expect.stringMatching(
          /^the database is newer than this code: its tasks history holds 1 migration.* beside which only version 99\.1\.0 or a later one works$/,
        ),
      })
    },
  )

  test('it is refused where no bound is recorded', async () => {
    await addLaterMigration(null)
    await expect(start()).rejects.toThrow(/newer than this code.*Run the version that applied them/)
  })

  test('the highest bound of several counts, by number and not by letter', async () => {
    await addLaterMigration('99.1.0')
    await database.pool.query(
      `insert into jobs.async_tasks_migrations (hash, created_at, oldest_version) values ('later', 4102444800001, '100.0.0'), ('later', 4102444800002, '9.0.0')`,
    )
    await expect(start()).rejects.toThrow('only version 100.0.0 or a later one')
  })
})

test('each migration records the oldest version beside it', async () => {
  const { rows } = await database.pool.query<{ oldest_version: string }>(
    'select oldest_version from jobs.async_tasks_migrations order by created_at',
  )
  expect(rows.map((row) => row.oldest_version)).toEqual(Object.values(boundsOf('tasks')))
})

test('a journal of a version without bounds gets the column with its next migration', async () => {
  const known = readMigrations('tasks', jobs)
  await database.pool.query('drop schema jobs cascade; create schema jobs')
  const client = await database.pool.connect()
  await migrateTo(known.at(-2)?.name ?? '', client, { schema: jobs, hasBounds: false })
  client.release()

  expect(await migrate(database.directUrl, 'tasks', auto)).toEqual([known.at(-1)?.name])
  const { rows } = await database.pool.query<{ oldest_version: string | null }>(
    'select oldest_version from jobs.async_tasks_migrations order by created_at desc limit 2',
  )
  expect(rows).toEqual([{ oldest_version: known.at(-1)?.oldestVersion }, { oldest_version: null }])
  expect(await migrate(database.directUrl, 'tasks', { ...auto, mode: 'verify' })).toEqual([])
})

test('the tables of an installation can be moved to another schema', async () => {
  await database.pool.query('create schema moved')
  const { rows } = await database.pool.query<{ name: string }>(
    `select tablename as name from pg_tables where schemaname = 'jobs' and starts_with(tablename, 'async_task')`,
  )
  for (const { name } of rows) await database.pool.query(`alter table jobs.${name} set schema moved`)
  const { app } = await start({ schema: 'moved', migrate: 'verify' })
  const { taskId } = await app.tasks.createTask(greet)
  expect(await app.tasks.waitFor(taskId)).toMatchObject({ status: 'completed' })
})

function boundsOf(history: string): Record<string, string> {
  return JSON.parse(readFileSync(`migrations/${history}/oldest-versions.json`, 'utf8'))
}

test.each(['tasks', 'server'])('the bounds of %s leave the previous minor version alone', (history) => {
  const journal = JSON.parse(readFileSync(`migrations/${history}/meta/_journal.json`, 'utf8'))
  const bounds = boundsOf(history)
  expect(Object.keys(bounds)).toEqual(journal.entries.map(({ tag }: { tag: string }) => tag))
  const [major = 0, minor = 0] = version.split('.').map(Number)
  for (const bound of Object.values(bounds)) {
    expect(bound).toMatch(/^\d+\.\d+\.\d+$/)
    // Nothing is older than the first version.
    if (bound === '0.1.0') continue
    const [boundMajor = 0, boundMinor = 0] = bound.split('.').map(Number)
    expect([boundMajor < major, boundMajor === major && boundMinor < minor]).toContain(true)
  }
})
