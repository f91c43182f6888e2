import { Writable } from 'node:stream'
import Fastify, { type FastifyInstance } from 'fastify'
import pg from 'pg'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import asyncTasks, { type AsyncTasksOptions } from '../../src/plugin.ts'
import { drainTasks } from '../../src/testing/index.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { createGate } from '../support/engine.ts'

const apps: FastifyInstance[] = []
let database: TestDatabase
beforeEach(async () => {
  database = await createTestDatabase('empty')
})
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()))
  await database.drop()
})

const { task } = createTaskRegistry()
const work = task('work')(() => 'done')

/** Zero: a start that is refused says so however long that takes. */
async function register(options: Partial<AsyncTasksOptions> = {}, pluginTimeout = 0) {
  const lines: string[] = []
  const stream = new Writable({
    write(line, _encoding, done) {
      lines.push(String(line))
      done()
    },
  })
  const app = Fastify({ logger: { stream }, pluginTimeout })
  apps.push(app)
  const base = { connectionString: database.directUrl, tasks: [work], authorize: false } as const
  await app.register(asyncTasks, { ...base, ...options } as AsyncTasksOptions)
  return { app, lines }
}

/** Another process in the middle of its migrations. */
async function holdMigrations(): Promise<pg.Client> {
  const other = new pg.Client({ connectionString: database.directUrl, application_name: 'another process' })
  other.on('error', () => {})
  await other.connect()
  await other.query(`select pg_advisory_lock(hashtextextended('fastify-async-tasks migrations', 0))`)
  return other
}

test('a start outlives a migration that takes longer than a plugin may, and everything goes on after it', async () => {
  const other = await holdMigrations()
  const { rows } = await other.query('select pg_backend_pid() as pid')
  const { app, lines } = await register({}, 2_000)
  await app.ready()
  const answer = await app.inject({ url: '/api/admin/tasks' })
  expect([answer.statusCode, answer.json().code]).toEqual([503, 'DATABASE_UNAVAILABLE'])
  const created = app.tasks.createTask(work)
  const names = new RegExp(
    `waiting for another process's migrations .* session ${rows[0].pid} \\(another process.* since 20`,
  )
  await expect.poll(() => lines.filter((line) => names.test(line)).length).toBeGreaterThan(1)
  await other.end()
  expect(await app.tasks.waitFor((await created).taskId)).toMatchObject({ result: 'done' })
  expect((await app.inject({ url: '/api/admin/tasks' })).statusCode).toBe(200)
})

test('an app that is closed while it waits gives up, and applies nothing', async () => {
  const other = await holdMigrations()
  const { app } = await register({}, 2_000)
  await app.ready()
  const created = app.tasks.createTask(work)
  const refused = expect(created).rejects.toMatchObject({ code: 'SHUTTING_DOWN' })
  await app.close()
  await refused
  await other.end()
  const { rows } = await database.pool.query(`select to_regclass('public.async_tasks') as name`)
  expect(rows).toEqual([{ name: null }])
})

test('a migration that waits for a lock of a table names who holds it', async () => {
  await database.pool.query(
    'create table async_tasks_migrations (id serial primary key, hash text, created_at bigint)',
  )
  const other = new pg.Client({ connectionString: database.directUrl, application_name: 'a long report' })
  await other.connect()
  await other.query('begin; lock table async_tasks_migrations in share mode')
  const { app, lines } = await register({}, 2_000)
  await app.ready()
  await expect.poll(() => lines.filter((line) => line.includes('(a long report')).length).toBeGreaterThan(0)
  await other.end()
  expect(await app.tasks.createTask(work)).toMatchObject({ created: true })
})

test('migrate: false on a database without the tables is refused by their names', async () => {
  await expect(register({ migrate: false })).rejects.toMatchObject({
    code: 'MIGRATION_FAILED',
    message: expect.stringContaining('lacks the tables public.async_tasks, '),
  })
})

test.each(['28P01', '3D000'])('a start that the server refuses with %s says so', async (code) => {
  const url = new URL(database.directUrl)
  if (code === '28P01') url.password = 'wrong'
  else url.pathname = '/nowhere'
  for (const migrate of ['auto', false] as const) {
    const started = register({ connectionString: url.href, migrate })
    const message = expect.stringMatching(/password authentication failed|"nowhere" does not exist/)
    await expect(started).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE', message })
  }
})

test('a start without its database has a code of its own', async () => {
  const message = 'the database is unavailable: connect ECONNREFUSED 127.0.0.1:1'
  const started = register({ connectionString: 'postgres://me:hush@127.0.0.1:1/app' })
  await expect(started).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE', message })
})

test.each(['its own pool', "the host's pool"])(
  'every call after the close is refused by its code, with %s',
  async (whose) => {
    const pool = new pg.Pool({ connectionString: database.directUrl })
    pool.on('error', () => {})
    const { app } = await register(
      whose === 'its own pool' ? {} : { connectionString: undefined as never, pool },
    )
    await app.ready()
    const { tasks } = app
    const { taskId } = await tasks.createTask(work)
    await tasks.waitFor(taskId)
    await app.close()
    const calls = {
      createTask: () => tasks.createTask(work),
      createTasks: () => tasks.createTasks([{ task: work }, { task: work, uniqueKey: 'k' }]),
      getTask: () => tasks.getTask(taskId),
      listTasks: () => tasks.listTasks(),
      cancelTask: () => tasks.cancelTask(taskId),
      retryTask: () => tasks.retryTask(taskId),
      deleteTask: () => tasks.deleteTask(taskId),
      updateProgress: () => tasks.updateProgress(taskId, 1),
      logMessage: () => tasks.logMessage(taskId, 'INFO', 'late'),
      listLogs: () => tasks.listLogs(taskId),
      waitFor: () => tasks.waitFor(taskId),
      watch: () => tasks.watch(taskId).next(),
      updateTask: () => tasks.updateTask(taskId, { priority: 1 }),
      stats: () => tasks.stats(),
      bulk: () => tasks.bulk({ action: 'cancel', taskIds: [taskId] }),
      pauseTaskType: () => tasks.pauseTaskType('work'),
      listSchedules: () => tasks.listSchedules(),
      listExecutors: () => tasks.listExecutors(),
      drainTasks: () => drainTasks(tasks),
    }
    for (const [name, call] of Object.entries(calls)) {
      const message =
        name === 'drainTasks'
          ? 'the app has closed'
          : `app.tasks.${name}() was called after the app had closed`
      await expect(call(), name).rejects.toMatchObject({ code: 'SHUTTING_DOWN', message })
    }
    expect(() => tasks.on('failed', () => {})).toThrow(
      /app\.tasks\.on\(\) was called after the app had closed/,
    )
    await pool.end()
  },
)

test('before it is ready an app creates and lists tasks, and refuses to wait for what cannot start yet', async () => {
  const { app } = await register({})
  const { taskId } = await app.tasks.createTask(work)
  expect(await app.tasks.listTasks()).toMatchObject({ total: expect.any(Number) })
  const refused = (name: string) =>
    expect.objectContaining({
      code: 'NOT_READY',
      message: expect.stringContaining(`app.tasks.${name}() was called before`),
    })
  await expect(app.tasks.waitFor(taskId)).rejects.toThrow(refused('waitFor'))
  expect(() => app.tasks.watch(taskId)).toThrow(refused('watch'))
  await app.ready()
  expect(await app.tasks.waitFor(taskId)).toMatchObject({ status: 'completed' })
  await app.close()
})

const cut = (name: string) =>
  `select pg_terminate_backend(pid) from pg_stat_activity where datname = '${name}'`

const OUTAGES: [string, away: (database: string) => string, back: (database: string) => string][] = [
  [
    'its password is another',
    () => `alter role app password 'rotated'`,
    () => `alter role app password 'secret'`,
  ],
  ['its role may not log in', () => 'alter role app nologin', () => 'alter role app login'],
  [
    'the database takes no connections',
    (name) => `alter database ${name} allow_connections false`,
    (name) => `alter database ${name} allow_connections true`,
  ],
  [
    'the database has another name',
    (name) =>
      `alter database ${name} allow_connections false; ${cut(name)}; alter database ${name} rename to ${name}_away`,
    (name) => `alter database ${name}_away rename to ${name}; alter database ${name} allow_connections true`,
  ],
  [
    'the role has no connections left',
    () => 'alter role app connection limit 0',
    () => 'alter role app connection limit -1',
  ],
  [
    'it may not connect to the database',
    (name) => `revoke connect on database ${name} from app, public`,
    (name) => `grant connect on database ${name} to app`,
  ],
]

test.each(OUTAGES)(
  'it is an outage when %s for a while: ends are written after it',
  async (_what, away, back) => {
    const admin = new pg.Client({ connectionString: database.directUrl.replace(/\/[^/]*$/, '/postgres') })
    await admin.connect()
    const name = new URL(database.directUrl).pathname.slice(1)
    const role = `app_${name}`
    const sql = async (text: string) => {
      // One by one: a database cannot be renamed in a transaction with others.
      for (const statement of text.split('; ')) await admin.query(statement.replaceAll(/\bapp\b/g, role))
    }
    await sql(`create role app login password 'secret'`)
    await database.pool.query(`grant create on schema public to ${role}`)
    const url = new URL(database.directUrl)
    url.username = role
    url.password = 'secret'
    const started = createGate()
    const goOn = createGate()
    let runs = 0
    const held = task(`held_${name}`)(async () => {
      runs += 1
      started.open()
      await goOn.opened
      return 'kept'
    })
    try {
      const { app, lines } = await register({ connectionString: url.href, tasks: [held] })
      await app.ready()
      const { taskId } = await app.tasks.createTask(held)
      const ended = app.tasks.waitFor(taskId)
      await started.opened
      await sql(away(name))
      await sql(`select pg_terminate_backend(pid) from pg_stat_activity where usename = 'app'`)
      const status = async () => (await app.inject({ url: '/api/admin/tasks' })).statusCode
      await expect.poll(status).toBe(503)
      // The first ones met connections that broke; later ones are refused while they connect.
      expect(await Promise.all(Array.from({ length: 5 }, status))).toEqual(Array(5).fill(503))
      goOn.open()
      await expect.poll(() => lines.some((line) => line.includes('the database is unreachable'))).toBe(true)
      await sql(back(name))
      expect(await ended).toMatchObject({ status: 'completed', result: 'kept', retryCount: 0 })
      expect(runs).toBe(1)
      await app.close()
    } finally {
      await database.pool.query(`drop owned by ${role}`)
      await sql('drop role app')
      await admin.end()
    }
  },
)
