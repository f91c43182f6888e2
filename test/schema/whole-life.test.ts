import { eq } from 'drizzle-orm'
import { drizzle } from 'drizzle-orm/node-postgres'
import Fastify, { type FastifyInstance } from 'fastify'
import pg from 'pg'
import { beforeAll, expect, test } from 'vitest'
import { partsOf } from '../../src/engine/create/manager-parts.ts'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { PRUNE_START, pruneStep } from '../../src/engine/store/prune.ts'
import { asyncTasksIn } from '../../src/engine/store/schema.ts'
import { ENGINE_TABLES } from '../../src/engine/store/tables.ts'
import asyncTasks, { type AsyncTasksOptions } from '../../src/plugin.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { aborted } from '../support/engine.ts'
import { createRole, type Role, runAsOwner } from '../support/role.ts'

/** Each character of it needs care somewhere: in an identifier, a literal, a regular expression, Drizzle's parameters. */
const SCHEMA = `Jobs $1 of "us", o'clock \\`

const { task } = createTaskRegistry()
const greet = task('greet')(({ name }, ctx) => {
  ctx.log.info('hello')
  ctx.progress(1, 2, 'half')
  return `hello ${String(name)}`
})
const flaky = task('flaky', { retryBaseMs: 1 })((_params, ctx) => {
  if (ctx.attempt === 1) throw new Error('not yet')
  return ctx.attempt
})
const mourn = task('mourn')((params) => params)
const doomed = task('doomed', { maxRetries: 0, onFailed: mourn })(() => {
  throw new Error('never')
})
const endless = task('endless')((_params, ctx) => aborted(ctx.signal))
const keyed = task('keyed', {
  globalConcurrency: 1,
  concurrencyKey: ({ key }) => String(key),
})(() => 'alone')
const paced = task('paced', { rateLimit: { max: 1, perSeconds: 0.5, key: ({ key }) => String(key) } })(
  () => {},
)
const paying = task('paying', {
  run: 'thread',
  maxRetries: 0,
  module: new URL('../engine/executor/thread/modules/paying.ts', import.meta.url),
})()
/** Finishes a step of each kind, and is run again. */
const stepping = task('stepping', { retryBaseMs: 1 })(async (_params, ctx) => {
  const first = await ctx.step('first', () => ctx.attempt)
  const insert = 'insert into elsewhere.business values ($1)'
  await ctx.step('second', async (tx) => void (await tx.query(insert, [ctx.taskId])), { tx: pool })
  if (ctx.attempt === 1) throw new Error('after both')
  return first
})
const tasks = [stepping, greet, flaky, mourn, doomed, endless, keyed, paced, paying]

let database: TestDatabase
let role: Role
let pool: pg.Pool
let app: FastifyInstance
const lines: string[] = []

const options = (): AsyncTasksOptions => ({
  connectionString: role.url,
  schema: SCHEMA,
  tasks,
  authorize: false,
})

beforeAll(async () => {
  database = await createTestDatabase('empty')
  role = await createRole(database)
  await runAsOwner(database, [
    `grant create on database ${new URL(database.directUrl).pathname.slice(1)} to ${role.name}`,
    `create schema elsewhere authorization ${role.name}`,
    'create table elsewhere.business (task_id text)',
    `alter table elsewhere.business owner to ${role.name}`,
    `alter role ${role.name} set search_path = elsewhere, "$user"`,
  ])
  pool = new pg.Pool({ connectionString: role.url, max: 2 })
  pool.on('error', () => {})
  const stream = { write: (line: string) => void lines.push(line) }
  app = Fastify({ logger: { level: 'debug', stream } })
  // Notifications alone would make it wait for a minute.
  await app.register(asyncTasks, { ...options(), pollIntervalMs: 60_000, concurrency: 4 })
  await app.ready()
  // A migration that takes long is logged.
  lines.length = 0
  return async () => {
    await app.close()
    await pool.end()
    await role.drop()
    await database.drop()
  }
})

/** An ended task of the type, as it is read then. */
async function run(type: (typeof tasks)[number], params: Record<string, unknown> = {}) {
  const { taskId } = await app.tasks.createTask(type, params)
  return app.tasks.waitFor(taskId, { timeoutMs: 30_000 })
}

async function untilRunning(taskId: string): Promise<void> {
  for await (const event of app.tasks.watch(taskId)) {
    if (event.type === 'task' && event.task.status === 'running') return
  }
}

test('tasks run, are retried, cancelled, limited and followed up', async () => {
  expect(await run(greet, { name: 'Ada' })).toMatchObject({ result: 'hello Ada', progress: 2, step: 'half' })
  expect(await run(flaky)).toMatchObject({
    result: 2,
    attempts: [{ outcome: 'failed' }, { outcome: 'completed' }],
  })

  const { taskId } = await app.tasks.createTask(endless)
  await untilRunning(taskId)
  await app.tasks.cancelTask(taskId)
  expect(await app.tasks.getTask(taskId)).toMatchObject({ status: 'cancelled' })

  const keys = ['a', 'b', 'a', 'b']
  const limited = await app.tasks.createTasks(keys.map((key) => ({ task: keyed, params: { key } })))
  const ended = await Promise.all(limited.map(({ taskId }) => app.tasks.waitFor(taskId)))
  expect(ended.map(({ status }) => status)).toEqual(keys.map(() => 'completed'))

  const paces = await app.tasks.createTasks(keys.map((key) => ({ task: paced, params: { key } })))
  const [first, , second] = await Promise.all(paces.map(({ taskId }) => app.tasks.waitFor(taskId)))
  expect(Number(second?.startedAt) - Number(first?.startedAt)).toBeGreaterThanOrEqual(500)

  const failed = await run(doomed)
  const followed = await app.tasks.listTasks({ taskType: 'mourn' })
  const mourned = await app.tasks.waitFor(followed.tasks[0]?.taskId ?? '')
  expect(mourned).toMatchObject({ result: { taskId: failed.taskId, taskType: 'doomed', error: 'never' } })
})

test('a task is created in a transaction, finishes a step in one, and is completed in one of a thread', async () => {
  const client = await pool.connect()
  await client.query('begin')
  const [first] = await app.tasks.createTasks([{ task: greet, params: { name: 'Bob' } }], { tx: client })
  await client.query('commit')
  client.release()
  const second = await drizzle({ client: pool }).transaction((tx) =>
    app.tasks.createTask(greet, { name: 'Cy' }, { tx, uniqueKey: 'cy' }),
  )
  for (const { taskId } of [first, second]) {
    expect(await app.tasks.waitFor(taskId)).toMatchObject({ status: 'completed' })
  }
  const stepped = await run(stepping)
  expect(stepped).toMatchObject({ result: 1, attempts: [{ attempt: 1 }, { attempt: 2 }] })
  const { rows } = await pool.query('select from elsewhere.business where task_id = $1', [stepped.taskId])
  expect(rows).toHaveLength(1)
  expect(await run(paying, { url: role.url, commit: true })).toMatchObject({ result: { paid: true } })
})

test('waiting tasks are changed, and steered one by one and in bulk', async () => {
  const later = { delayMs: 3_600_000, uniqueKey: 'later' }
  const { taskId } = await app.tasks.createTask(greet, { name: 'Di' }, later)
  expect(await app.tasks.createTask(greet, {}, later)).toMatchObject({ taskId, created: false })
  await app.tasks.updateTask(taskId, { params: { name: 'Dee' }, priority: 3 })
  await app.tasks.runNow(taskId)
  expect(await app.tasks.waitFor(taskId)).toMatchObject({ result: 'hello Dee' })
  await app.tasks.logMessage(taskId, 'INFO', 'from outside')
  expect((await app.tasks.listLogs(taskId)).logs.map(({ message }) => message)).toEqual([
    'hello',
    'from outside',
  ])

  await app.tasks.pauseTaskType('greet')
  await app.tasks.retryTask(taskId)
  const [one, other] = await app.tasks.createTasks([{ task: greet }, { task: greet, delayMs: 60_000 }])
  const { results } = await app.tasks.bulk({
    action: 'cancel',
    filter: { taskType: 'greet', status: ['pending'] },
  })
  expect(results.map((result) => result.taskId)).toEqual(expect.arrayContaining([taskId, one.taskId]))
  await app.tasks.resumeTaskType('greet')
  await app.tasks.deleteTask(other.taskId)
  expect(await app.tasks.getTask(other.taskId)).toBeUndefined()
})

test('schedules tick', async () => {
  await app.tasks.createSchedule({ name: 'hourly', cron: '@hourly', task: greet, params: { name: 'Eve' } })
  await app.tasks.updateSchedule('hourly', { cron: '* * * * * *' })
  const ticked = async () => (await app.tasks.getSchedule('hourly'))?.lastTaskId
  await expect.poll(ticked).toBeTruthy()
  expect(await app.tasks.waitFor((await ticked()) ?? '')).toMatchObject({ result: 'hello Eve' })
  await app.tasks.deleteSchedule('hourly')
})

test('lists, counts, executors, types and streams show it over REST and in code', async () => {
  const watched: string[] = []
  const { taskId } = await app.tasks.createTask(greet, { name: 'Fay' }, { createdBy: 'fay' })
  for await (const { type } of app.tasks.watch(taskId)) watched.push(type)
  expect(watched.at(-1)).toBe('end')
  const read = async (path: string) => (await app.inject(`/api/admin${path}`)).json()
  expect(await read('/tasks?createdBy=fay&status=completed')).toMatchObject({ total: 1, tasks: [{ taskId }] })
  expect(await read('/tasks/stats')).toMatchObject({ byStatus: { completed: expect.any(Number) } })
  expect(await read('/executors')).toMatchObject({ executors: [{ slots: 4 }] })
  expect((await read('/task-types')).taskTypes).toHaveLength(tasks.length)
  const { asyncTasks: table } = asyncTasksIn(SCHEMA)
  const rows = await drizzle({ client: pool })
    .select({ by: table.createdBy })
    .from(table)
    .where(eq(table.taskId, taskId))
  expect(rows).toEqual([{ by: 'fay' }])
})

test('ended tasks are pruned', async () => {
  const { taskId } = await run(greet, { name: 'Gil' })
  const { db } = partsOf(app.tasks)
  await pruneStep(db, 'greet', 0, PRUNE_START)
  expect(await app.tasks.getTask(taskId)).toBeUndefined()
})

test('a process that only creates tasks wakes the executor of another, and a second start changes nothing', async () => {
  const other = Fastify()
  await other.register(asyncTasks, { ...options(), routes: false, executor: false, migrate: 'verify' })
  const { taskId } = await other.tasks.createTask(greet, { name: 'Hal' })
  expect(await app.tasks.waitFor(taskId)).toMatchObject({ result: 'hello Hal' })
  await other.close()
})

test('nothing is in public or in the schema of the search path, and no loop has failed', async () => {
  const { rows } = await pool.query(
    `select n.nspname as schema, count(*)::int as tables from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind = 'r' and c.relname like 'async_task%' group by 1`,
  )
  expect(rows).toEqual([{ schema: SCHEMA, tables: ENGINE_TABLES.length + 1 }])
  const entries = lines.map(
    (line) => JSON.parse(line) as { level: number; component?: string; schema?: string; msg: string },
  )
  const ofTasks = entries.filter(({ component }) => component === 'tasks')
  expect(ofTasks.every(({ schema }) => schema === SCHEMA)).toBe(true)
  // A slow machine takes seconds for a migration, and says so.
  const expected = /^(task (attempt )?failed|applying the migration \d{4}_\w+ for \d+ s$)/
  expect(ofTasks.filter(({ level, msg }) => level >= 40 && !expected.test(msg))).toEqual([])
})
