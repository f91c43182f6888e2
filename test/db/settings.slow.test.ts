import Fastify from 'fastify'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import asyncTasks from '../../src/plugin.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { aborted } from '../support/engine.ts'
import { openEvents } from '../support/event-source.ts'

/** What a host may have made of the parsers that all users of `pg` share, and of its defaults. */
const original = new Map<number, (text: string) => unknown>()
const ARRAYS = [1000, 1005, 1007, 1009, 1015, 1016, 1022, 2951]

beforeAll(() => {
  for (const oid of [...Object.values(pg.types.builtins), ...ARRAYS]) {
    original.set(oid, pg.types.getTypeParser(oid))
    pg.types.setTypeParser(oid, (text: string) => text)
  }
  pg.types.setTypeParser(pg.types.builtins.INT8, BigInt)
  pg.defaults.parseInputDatesAsUTC = true
})

afterAll(() => {
  for (const [oid, parse] of original) pg.types.setTypeParser(oid, parse as (text: string) => string)
  pg.defaults.parseInputDatesAsUTC = false
})

let database: TestDatabase
let hostPool: pg.Pool
beforeEach(async () => {
  database = await createTestDatabase('empty')
})
afterEach(async () => {
  await hostPool.end()
  await database.drop()
})

/** Without those that this server has not: older ones lack some, and small images lack the compiler of `jit`. */
async function supported(settings: object): Promise<[string, string][]> {
  const known: [string, string][] = []
  for (const [setting, value] of Object.entries(settings)) {
    const client = await database.pool.connect()
    try {
      await client.query(`set ${setting} = '${value}'`)
      await client.query('set jit_above_cost = 0')
      await client.query('select count(*) from pg_class')
      known.push([setting, value])
    } catch (error) {
      const { code } = error as { code?: string }
      if (code !== '42704' && code !== '58P01') throw error
      console.log(`this server has no ${setting}`)
    } finally {
      client.release(true)
    }
  }
  return known
}

test.each<[name: string, settings: Record<string, string>]>([
  ['none', {}],
  ['dates as in German', { DateStyle: 'German', TimeZone: 'Europe/Berlin' }],
  ['dates as in SQL, day first', { DateStyle: 'SQL, DMY', TimeZone: 'Asia/Kolkata' }],
  ['dates as in Postgres', { DateStyle: 'Postgres, MDY', TimeZone: 'America/St_Johns' }],
  [
    'intervals',
    { IntervalStyle: 'sql_standard', bytea_output: 'escape', standard_conforming_strings: 'off' },
  ],
  ['repeatable read', { default_transaction_isolation: 'repeatable read' }],
  ['serializable', { default_transaction_isolation: 'serializable', default_transaction_deferrable: 'on' }],
  ['a search path of its own', { search_path: 'elsewhere' }],
  [
    'short limits',
    { lock_timeout: '2s', statement_timeout: '5s', idle_session_timeout: '1s', transaction_timeout: '5s' },
  ],
  ['an odd planner', { jit: 'on', jit_above_cost: '0', plan_cache_mode: 'force_generic_plan' }],
  [
    'half a planner',
    { enable_indexscan: 'off', enable_bitmapscan: 'off', enable_hashjoin: 'off', enable_nestloop: 'off' },
  ],
  ['row security', { row_security: 'off', extra_float_digits: '0', transform_null_equals: 'on' }],
])('everything works with the settings of the role: %s', async (_name, settings) => {
  const name = new URL(database.url).pathname.slice(1)
  for (const [setting, value] of await supported(settings)) {
    await database.pool.query(`alter role current_user in database ${name} set ${setting} = '${value}'`)
  }
  hostPool = new pg.Pool({ connectionString: database.url, max: 4 })
  // A short idle limit breaks idle connections: a host listens, or its process ends.
  hostPool.on('error', () => {})
  const app = Fastify({ pluginTimeout: 0 })
  const { task } = createTaskRegistry()
  let failures = 0
  const echo = task('echo', {
    params: z.object({ big: z.string(), list: z.array(z.string()) }),
    maxRetries: 1,
  })(async (params, ctx) => {
    if (failures++ === 0) throw new Error('once')
    ctx.progress(3, 7, 'three of seven')
    ctx.log.info('a line', { of: 'data' })
    return ctx.step('echo', () => params)
  })
  const hold = task('hold', { globalConcurrency: 5 })((_params, ctx) => aborted(ctx.signal))
  const tick = task('tick')(() => {})
  await app.register(asyncTasks, {
    pool: hostPool,
    directConnectionString: database.directUrl,
    prepared: database.prepared,
    tasks: [echo, hold, tick],
    schedules: [{ name: 'each-second', cron: '* * * * * *', task: tick }],
    authorize: false,
    concurrency: 8,
    pollIntervalMs: 100,
    retryBaseMs: 1,
    heartbeatIntervalMs: 200,
    leaseMs: 20_000,
  })
  const address = await app.listen({ port: 0 })
  try {
    const { tasks } = app
    const params = { big: '9007199254740993', list: ['a', 'NULL', '{"'] }
    const before = Date.now() - 60_000
    const [first, second] = await Promise.all(
      // Not due before both have found the key: one that has ended no longer has it.
      [1, 2].map(() => tasks.createTask(echo, params, { uniqueKey: 'one', delayMs: 1_000 })),
    )
    expect(first?.taskId).toBe(second?.taskId)
    expect([first?.created, second?.created].toSorted()).toEqual([false, true])
    const done = await tasks.waitFor(first?.taskId ?? '')
    expect(done).toMatchObject({ status: 'completed', retryCount: 1, result: params, params, percent: 100 })
    for (const at of [done.createdAt, done.startedAt, done.completedAt, done.attempts[0]?.startedAt]) {
      expect(at?.getTime()).toBeGreaterThan(before)
      expect(at?.getTime()).toBeLessThan(Date.now() + 60_000)
    }
    const { logs } = await tasks.listLogs(done.taskId)
    expect(logs.find(({ message }) => message === 'a line')).toMatchObject({ data: { of: 'data' } })
    expect(logs[0]?.createdAt.getTime()).toBeGreaterThan(before)

    const held = await tasks.createTasks(Array.from({ length: 3 }, () => ({ task: hold })))
    const [one, ...others] = held.map(({ taskId }) => taskId)
    await using events = await openEvents(`${address}/api/admin/tasks/${one}/events`)
    await expect.poll(async () => (await tasks.listTasks({ status: ['running'] })).total).toBeGreaterThan(2)
    await tasks.cancelTask(one ?? '')
    await events.until(({ data }) => data.includes('"cancelled"'))
    const bulk = await tasks.bulk({ action: 'cancel', taskIds: others })
    expect(bulk.results.map(({ ok }) => ok)).toEqual([true, true])
    await expect.poll(async () => (await tasks.getTask(one ?? ''))?.stopping).toBe(false)

    const page = await tasks.listTasks({ createdAfter: new Date(before), pageSize: 1 })
    expect(page.tasks[0]?.createdAt).toBeInstanceOf(Date)
    expect((await tasks.listTasks({ cursor: page.nextCursor ?? '', pageSize: 1 })).tasks).toHaveLength(1)
    await expect.poll(async () => (await tasks.getSchedule('each-second'))?.lastTaskId).toBeTruthy()
    const { lastTaskId, nextRunAt } = (await tasks.getSchedule('each-second')) ?? {}
    expect(await tasks.waitFor(lastTaskId ?? '')).toMatchObject({ status: 'completed' })
    expect(nextRunAt?.getTime()).toBeGreaterThan(before)
    const stats = await tasks.stats()
    expect(stats.byType.find(({ taskType }) => taskType === 'echo')).toMatchObject({ completed: 1 })
    const [executor] = await tasks.listExecutors()
    expect(executor).toMatchObject({ alive: true, taskTypes: expect.arrayContaining(['echo', 'tick']) })
    expect(app.taskExecutor?.health().reasons).toEqual([])
  } finally {
    await app.close()
  }
})
