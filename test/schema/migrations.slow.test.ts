import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import Fastify from 'fastify'
import pg from 'pg'
import { beforeEach, describe, expect, test } from 'vitest'
import { EngineSchema } from '../../src/db/engine-schema.ts'
import { migrate } from '../../src/db/migrate.ts'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import asyncTasks from '../../src/plugin.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { migrateTo } from '../support/earlier-schema.ts'
import { createRole, type Role, runAsOwner } from '../support/role.ts'

const run = promisify(execFile)
const root = path.resolve(import.meta.dirname, '../..')
const guide = readFileSync(path.join(root, 'docs/embedding.md'), 'utf8')

const { task } = createTaskRegistry()
const greet = task('greet', { concurrency: 1 })(() => 'hello')

let database: TestDatabase
let role: Role
beforeEach(async () => {
  database = await createTestDatabase('empty')
  role = await createRole(database)
  return async () => {
    await role.drop()
    await database.drop()
  }
})

const auto = (schema: string) => ({ mode: 'auto', schema: new EngineSchema(schema) }) as const
const nameOf = (url: string) => new URL(url).pathname.slice(1)

describe('a schema that does not exist', () => {
  test('is refused to a role that may not create it, with what to run', async () => {
    await expect(migrate(role.url, 'tasks', auto('Jobs'))).rejects.toMatchObject({
      code: 'MIGRATION_FAILED',
      message: expect.stringContaining(
        `the schema "Jobs" does not exist, and the role ${role.name} may not create it: run ` +
          `create schema "Jobs" authorization ${role.name}, or grant create on database ${nameOf(role.url)}`,
      ),
    })
    await runAsOwner(database, [`create schema "Jobs" authorization ${role.name}`])
    expect(await migrate(role.url, 'tasks', auto('Jobs'))).toContain('0000_engine')
  })

  test('is created by a role that may create it', async () => {
    await runAsOwner(database, [`grant create on database ${nameOf(database.directUrl)} to ${role.name}`])
    expect(await migrate(role.url, 'tasks', auto('jobs'))).toContain('0000_engine')
    expect(await migrate(role.url, 'tasks', auto('jobs'))).toEqual([])
  })

  test('is only missed by verify', async () => {
    const verify = { ...auto('jobs'), mode: 'verify' } as const
    await expect(migrate(database.directUrl, 'tasks', verify)).rejects.toThrow(
      'lacks the tasks migrations 0000_engine',
    )
    const { rows } = await database.pool.query(`select from pg_namespace where nspname = 'jobs'`)
    expect(rows).toEqual([])
  })

  test('is created once by several that start together, while another schema does not wait', async () => {
    const names = ['jobs', 'jobs', 'jobs', 'other']
    const applied = await Promise.all(names.map((name) => migrate(database.directUrl, 'tasks', auto(name))))
    expect(applied.map((list) => list.length > 0).toSorted()).toEqual([false, false, true, true])
    expect(applied[3]).toContain('0000_engine')
  })
})

/** The grants of the guide, for this role and schema. */
function grantsFor(app: string, migrator: string): string[] {
  const [, sql = ''] = /```sql\n(grant usage on schema jobs[\s\S]*?)```/.exec(guide) ?? []
  return sql
    .replace(/^--.*$/gm, '')
    .replace(/\bto app\b/g, `to ${app}`)
    .replace(/\brole migrator\b/g, `role ${migrator}`)
    .split(';')
    .filter((statement) => statement.trim() !== '')
}

test('with the grants of the guide alone a role runs tasks, on tables of later migrations too', async () => {
  const owner = new URL(database.directUrl).username
  await migrate(database.directUrl, 'tasks', auto('jobs'))
  await runAsOwner(database, [...grantsFor(role.name, owner), 'create table jobs.async_task_later (id int)'])
  const app = Fastify({ pluginTimeout: 0 })
  await app.register(asyncTasks, {
    ...{ connectionString: role.url, schema: 'jobs', tasks: [greet], routes: false, migrate: 'verify' },
    ...{ heartbeatIntervalMs: 100, pollIntervalMs: 50 },
    schedules: [{ name: 'often', cron: '* * * * * *', task: greet }],
  })
  await app.ready()
  const { taskId } = await app.tasks.createTask(greet)
  expect(await app.tasks.waitFor(taskId)).toMatchObject({ result: 'hello' })
  await app.tasks.deleteTask(taskId)
  const ticked = async () => (await app.tasks.getSchedule('often'))?.lastTaskId
  await expect.poll(ticked).toBeTruthy()
  expect(app.taskExecutor?.health()).toMatchObject({ ok: true, reasons: [] })
  await app.close()

  const client = new pg.Client({ connectionString: role.url })
  await client.connect()
  expect((await client.query('select from jobs.async_task_later')).rows).toEqual([])
  await expect(client.query('create table jobs.mine (id int)')).rejects.toThrow('permission denied')
  await client.end()
})

describe('the command migrate', () => {
  const command = (args: string[], env: Record<string, string> = {}) =>
    run(process.execPath, ['src/cli/bin.ts', ...args], {
      cwd: root,
      env: { PATH: process.env.PATH ?? '', ...env },
    })

  test('says what it waits for, with a role that owns the tables and nothing else', async () => {
    await runAsOwner(database, [`create schema jobs authorization ${role.name}`])
    const migrator = new pg.Client({ connectionString: role.url })
    await migrator.connect()
    await migrateTo('0012_rate_limits', migrator, { schema: new EngineSchema('jobs') })
    await migrator.end()
    const reader = new pg.Client({ connectionString: database.directUrl, application_name: 'a report' })
    await reader.connect()
    await reader.query('begin; select from jobs.async_task_attempts')
    const running = command(['migrate', '--schema', 'jobs'], { DATABASE_URL: role.url })
    await once(running.child.stderr ?? reader, 'data')
    await reader.end()
    const { stdout, stderr } = await running
    expect(stderr).toMatch(
      /^the migration 0013_uncounted_retries has waited \d+ s \(attempt \d+\) for a lock on jobs.async_task_attempts, held by PostgreSQL session \d+ \(a report\)\n/,
    )
    expect(stdout).toMatch(/^jobs: applied 0013_uncounted_retries[,\n]/)
  })

  test('applies what a schema lacks, in the database of the environment or of the option', async () => {
    const first = await command(['migrate', '--schema', 'jobs'], { DATABASE_URL: database.directUrl })
    expect(first.stdout).toMatch(/^jobs: applied 0000_engine, /)
    // On a busy machine it says each second what it does.
    expect(first.stderr).toMatch(/^(applying the migration .*\n)*$/)
    const again = await command(['migrate', '--schema=jobs', '--database-url', database.directUrl])
    expect(again.stdout).toBe('jobs: up to date\n')
    expect(await migrate(database.directUrl, 'tasks', { ...auto('jobs'), mode: 'verify' })).toEqual([])
  })

  test.each<[string[], number, string]>([
    [[], 2, 'name a command'],
    [['migrat'], 2, "unknown command 'migrat'"],
    [['migrate', '--schem', 'jobs'], 2, "unknown option '--schem'"],
    [['migrate'], 2, 'name the database: --database-url, or DATABASE_URL'],
    [
      ['migrate', '--schema', 'pg_x', '--database-url', 'postgres://me:hunter2@db/app'],
      2,
      'schema must be a schema of',
    ],
    [
      ['migrate', '--database-url', 'me:hunter2@db/app'],
      2,
      '--database-url and DATABASE_URL must be a URL such as',
    ],
    [['migrate', '--database-url', 'postgres://me:hunter2@127.0.0.1:1/app'], 1, 'ECONNREFUSED'],
  ])('%j fails with %i, one line of what is wrong, and no secret', async (args, code, message) => {
    await expect(command(args)).rejects.toMatchObject({
      code,
      stdout: '',
      stderr: expect.stringMatching(new RegExp(`^(?!.*hunter2)[A-Z_]+: .*${message}.*\n$`)),
    })
  })
})
