import { inspect } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { partsOf } from '../../../src/engine/create/manager-parts.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { AnyTask } from '../../../src/engine/definition/task-reference.ts'
import type { TaskEventMap } from '../../../src/engine/runtime/events.ts'
import { currentTick } from '../../../src/engine/schedules/current-tick.ts'
import { MAX_SLEEP_MS, Scheduler } from '../../../src/engine/schedules/scheduler.ts'
import { registerExecutor, stopExecutor } from '../../../src/engine/store/executors.ts'
import { logTaskEvents } from '../../../src/telemetry/log.ts'
import { captureStatements } from '../../support/plans.ts'
import { SOME_EXECUTOR, useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()

const { task } = createTaskRegistry()
const tick = task('tick')(() => {})
const ofTheDay = task('of_the_day', {
  params: z.object({ day: z.string().default(() => currentTick()?.toISOString().slice(0, 10) ?? 'none') }),
})(() => {})

/** A scheduler that looks when the test says, as one of several processes. */
function createScheduler(known: readonly AnyTask[] = [tick, ofTheDay]) {
  const { db, events, manager } = tables.createManager(known)
  const scheduler = new Scheduler(partsOf(manager))
  return { db, events, manager, scheduler }
}

const SECOND = { cron: '* * * * * *', task: tick } as const

/** Moves the next tick into the past: nobody was there since. */
async function setNext(name: string, ago: string): Promise<Date> {
  const { rows } = await tables.pool.query<{ next: Date }>(
    `update async_task_schedules set next_run_at = date_trunc('second', now()) - $2::interval
      where name = $1 returning next_run_at as next`,
    [name, ago],
  )
  return rows[0]?.next as Date
}

const schedules = async () =>
  (await tables.pool.query('select to_jsonb(s) as row from async_task_schedules s order by name')).rows
const tickSeconds = async () =>
  (await tables.read()).tasks.map(({ run_at }) => new Date(String(run_at)).getTime() / 1_000)

describe('a tick', () => {
  test('creates a task due at its instant, logs it, and moves the schedule on', async () => {
    const { manager, scheduler } = createScheduler()
    await manager.createSchedule({ ...SECOND, name: 'a', params: { n: 1 } })
    const at = await setNext('a', '2 s')
    await manager.createSchedule({ name: 'later', cron: '@yearly', task: tick })
    const later = await manager.getSchedule('later')
    await scheduler.tickOnce()
    const schedule = await manager.getSchedule('a')
    const { tasks, logs } = await tables.read()
    // Between the two statements a second may have passed, and come on time as well.
    expect(tasks.length).toBeGreaterThanOrEqual(3)
    expect((await tickSeconds()).map((second) => second - +at / 1_000)).toEqual(tasks.map((_, i) => i))
    expect(tasks[0]).toMatchObject({ task_type: 'tick', status: 'pending', created_by: null })
    expect(logs[0]).toMatchObject({
      task_id: tasks[0]?.task_id,
      message: `created by schedule 'a' for ${at.toISOString().replace('.000', '')}`,
    })
    const last = new Date(String(tasks.at(-1)?.run_at))
    expect(schedule).toMatchObject({
      lastRunAt: last,
      nextRunAt: new Date(+last + 1_000),
      lastTaskId: tasks.at(-1)?.task_id,
      lastError: null,
    })
    expect((await manager.getTask(String(tasks[0]?.task_id)))?.params).toEqual({ n: 1 })
    expect(await manager.getSchedule('later')).toEqual(later)
  })

  test('is taken by one of many processes that try at once', async () => {
    const all = Array.from({ length: 6 }, () => createScheduler())
    for (let i = 0; i < 20; i += 1) {
      await all[0]?.manager.createSchedule({ name: `s${i}`, cron: '@yearly', task: tick })
      await setNext(`s${i}`, '1 s')
    }
    const ticked: string[] = []
    for (const { events } of all) events.on('ticked', ({ schedule }) => ticked.push(schedule))
    await Promise.all(all.map(({ scheduler }) => scheduler.tickOnce()))
    const { tasks } = await tables.read()
    expect(tasks).toHaveLength(20)
    expect(ticked.toSorted()).toEqual(Array.from({ length: 20 }, (_, i) => `s${i}`).toSorted())
  })

  test('is not taken when the schedule was changed, disabled or deleted after it was read', async () => {
    const { manager, scheduler } = createScheduler()
    for (const name of ['changed', 'disabled', 'deleted', 'same']) {
      await manager.createSchedule({ name, cron: '@yearly', task: tick })
      await setNext(name, '1 s')
    }
    const blocker = await tables.pool.connect()
    onTestFinished(() => blocker.release())
    // The scheduler has read the rows and waits for these changes to be committed.
    await blocker.query('begin')
    await blocker.query(
      `update async_task_schedules set params = '{"n":2}', revision = gen_random_uuid() where name = 'changed'`,
    )
    await blocker.query(
      `update async_task_schedules set enabled = false, next_run_at = null where name = 'disabled'`,
    )
    await blocker.query(`delete from async_task_schedules where name = 'deleted'`)
    const { pid } = (await blocker.query('select pg_backend_pid() as pid')).rows[0]
    const taken = scheduler.tickOnce()
    const waiting =
      'select count(*)::int as n from pg_stat_activity where $1::int = any(pg_blocking_pids(pid))'
    await expect.poll(async () => (await tables.pool.query(waiting, [pid])).rows[0]?.n).toBe(3)
    await blocker.query('commit')
    await taken
    const before = await schedules()
    expect(before.map(({ row }) => [row.name, row.last_run_at === null])).toEqual([
      ['changed', true],
      ['disabled', true],
      ['same', false],
    ])
    expect((await tables.read()).tasks).toHaveLength(1)
    // What was changed is still due, and is taken as it is now.
    await scheduler.tickOnce()
    const { params } = await tables.read()
    expect(params).toMatchObject([{ key: 'n', value: '2' }])
  })

  test('of a disabled schedule is none', async () => {
    const { manager, scheduler } = createScheduler()
    await manager.createSchedule({ ...SECOND, name: 'off', enabled: false })
    expect(await scheduler.tickOnce()).toBe(MAX_SLEEP_MS)
    expect((await tables.read()).tasks).toEqual([])
  })

  test('parses the params for its own day, however late it is', async () => {
    const { manager, scheduler } = createScheduler()
    await manager.createSchedule({ name: 'daily', cron: '0 0 * * *', task: ofTheDay, missed: 'all' })
    await tables.pool.query(
      `update async_task_schedules set next_run_at = date_trunc('day', now(), 'UTC') - interval '3 days'`,
    )
    await scheduler.tickOnce()
    const { tasks, params } = await tables.read()
    const days = tasks.map(({ run_at }) => new Date(String(run_at)).toISOString().slice(0, 10))
    expect(days.length).toBeGreaterThanOrEqual(4)
    const kept = new Map(params.map(({ task_id, value }) => [task_id, JSON.parse(String(value))]))
    expect(tasks.map(({ task_id }) => kept.get(task_id))).toEqual(days)
    expect(currentTick()).toBeUndefined()
  })
})

describe('ticks that no process fired in time', () => {
  test.each([
    ['skip', 0],
    ['once', 1],
    ['all', 3],
  ] as const)('%s makes %i tasks', async (missed, count) => {
    const { manager, scheduler, events } = createScheduler()
    const skipped: TaskEventMap['ticksSkipped'][0][] = []
    events.on('ticksSkipped', (event) => skipped.push(event))
    await manager.createSchedule({ name: 'a', cron: '@hourly', task: tick, missed })
    // The latest of three is at least two minutes old.
    await tables.pool.query(
      `update async_task_schedules
          set cron = extract(minute from now() - interval '3 minutes')::int || ' * * * *',
              next_run_at = date_trunc('minute', now() - interval '2 hours 3 minutes')`,
    )
    await scheduler.tickOnce()
    const { tasks } = await tables.read()
    expect(tasks).toHaveLength(count)
    expect(skipped).toHaveLength(missed === 'all' ? 0 : 1)
    const { nextRunAt, lastRunAt } = (await manager.getSchedule('a')) ?? {}
    expect(+(nextRunAt ?? 0)).toBeGreaterThan(Date.now())
    expect(lastRunAt === null).toBe(count === 0)
  })

  test('all: at most the newest 1,000, each once, over several transactions and processes', async () => {
    const all = Array.from({ length: 3 }, () => createScheduler())
    const skipped: TaskEventMap['ticksSkipped'][0][] = []
    for (const { events } of all) events.on('ticksSkipped', (event) => skipped.push(event))
    await all[0]?.manager.createSchedule({ ...SECOND, name: 'a', missed: 'all' })
    const from = await setNext('a', '2 hours')
    await Promise.all(all.map(({ scheduler }) => scheduler.tickOnce()))
    await all[0]?.scheduler.tickOnce()
    const seconds = await tickSeconds()
    const first = seconds[0] ?? 0
    expect(seconds).toEqual(seconds.map((_, i) => first + i))
    expect(seconds.length).toBeGreaterThanOrEqual(1_000)
    expect(seconds.length).toBeLessThan(1_100)
    expect(skipped[0]).toMatchObject({ schedule: 'a', from })
    expect(skipped[0]?.before).toEqual(new Date(first * 1_000))
  })
})

describe('what is wrong with one schedule', () => {
  const broken = task('broken', {
    params: z.object({ n: z.int() }).refine(() => {
      throw new TypeError('the schema itself is broken')
    }),
  })(() => {})
  const picky = task('picky', { params: z.object({ n: z.int() }) })(() => {})

  test('is reported on it; it continues with its next tick, and the others with theirs', async () => {
    const { manager, scheduler, events } = createScheduler([tick, picky, broken])
    const failed: string[] = []
    events.on('tickFailed', ({ schedule }) => failed.push(schedule))
    for (const name of ['bad cron', 'fails', 'good', 'picky', 'zone']) {
      await manager.createSchedule({ name: name.replace(' ', '_'), cron: '@yearly', task: tick })
    }
    // As another version of the code may have left them.
    await tables.pool.query(
      `update async_task_schedules
          set task_type = case name when 'fails' then 'broken' when 'picky' then 'picky' else task_type end,
              params = case name when 'fails' then '{"n":1}' when 'picky' then '{"n":"x"}' else params end,
              cron = case name when 'bad_cron' then 'never' else cron end,
              time_zone = case name when 'zone' then 'Mars/Olympus' else time_zone end,
              next_run_at = date_trunc('second', now())`,
    )
    await scheduler.tickOnce()
    expect((await tables.read()).tasks).toHaveLength(1)
    expect(failed.toSorted()).toEqual(['bad_cron', 'fails', 'picky', 'zone'])
    const named = new Map((await manager.listSchedules()).map((schedule) => [schedule.name, schedule]))
    expect(named.get('good')).toMatchObject({ lastError: null, nextRunAt: expect.any(Date) })
    expect(named.get('picky')).toMatchObject({
      lastError: expect.stringMatching(/^INVALID_PARAMS.*\/n/),
      lastRunAt: null,
      nextRunAt: expect.any(Date),
    })
    expect(named.get('fails')).toMatchObject({
      lastError: 'TypeError: the schema itself is broken',
      nextRunAt: expect.any(Date),
    })
    // There is no next tick to go on with, until somebody changes it.
    expect(named.get('bad_cron')).toMatchObject({
      enabled: true,
      nextRunAt: null,
      lastError: expect.stringMatching(/"never" is no cron expression/),
    })
    expect(named.get('zone')).toMatchObject({ nextRunAt: null, lastError: expect.stringMatching(/Mars/) })
    const mended = await manager.updateSchedule('bad_cron', { cron: '@hourly' })
    expect(mended).toMatchObject({ lastError: null, nextRunAt: expect.any(Date) })
    await manager.updateSchedule('picky', { params: { n: 1 } })
    await setNext('picky', '0 s')
    await scheduler.tickOnce()
    expect(await manager.getSchedule('picky')).toMatchObject({ lastError: null, lastRunAt: expect.any(Date) })
  })
})

describe('an error of a tick', () => {
  const SECRET = 'Sched"ule-Secret-77'
  const quoting = task('quoting', {
    params: z.object({ password: z.string() }).superRefine(({ password }, context) => {
      context.addIssue({ code: 'custom', message: `wrong: ${password}`, path: ['password'] })
    }),
    redact: ['password'],
  })(() => {})
  const throwing = task('throwing', {
    params: z.looseObject({}).refine((params) => {
      throw new TypeError(`cannot read ${JSON.stringify(params)}`)
    }),
    redact: ['card.number'],
  })(() => {})

  test.each([
    ['quoting', { password: SECRET }, /INVALID_PARAMS.*wrong: \[redacted\]/],
    ['throwing', { card: { number: SECRET } }, /TypeError: cannot read .*\[redacted\]/],
    ['quoting', `{"password":"${SECRET}`, /INVALID_PARAMS/],
    ['throwing', `{"card":"{${SECRET}"}`, /INVALID_PARAMS/],
  ])('%s shows nothing that is redacted, in lastError or in the log', async (taskType, params, words) => {
    const { manager, scheduler, events } = createScheduler([tick, quoting, throwing])
    const logged: string[] = []
    const write = (...line: unknown[]) => void logged.push(inspect(line, { depth: 10 }))
    logTaskEvents(events, { debug: write, info: write, warn: write, error: write })
    await manager.createSchedule({ name: 'leak', cron: '@yearly', task: tick })
    await tables.pool.query(
      `update async_task_schedules set task_type = $1, params = $2, missed = 'once', next_run_at = date_trunc('second', now())`,
      [taskType, typeof params === 'string' ? params : JSON.stringify(params)],
    )
    await scheduler.tickOnce()
    const { lastError } = (await manager.getSchedule('leak')) ?? {}
    expect(lastError).toMatch(words)
    const refusals = await Promise.allSettled([
      manager.updateSchedule('leak', { cron: '@daily' }),
      manager.runSchedule('leak'),
    ])
    const reasons = refusals.map((one) => (one.status === 'rejected' ? inspect(one.reason) : 'accepted'))
    expect(logged.join('')).toContain('leak')
    expect([lastError, ...logged, ...reasons].join('\n')).not.toMatch(/Secret-77|accepted/)
  })
})

describe('a type that is not registered here', () => {
  const lease = { heartbeatAge: '31 s' }
  const executor = { executorId: SOME_EXECUTOR, host: 'h', pid: 1, version: 'v', slots: 1, leaseMs: 30_000 }

  test('is left to the executor that knows it, however late', async () => {
    const { db, manager, scheduler } = createScheduler()
    await registerExecutor(db, { ...executor, taskTypes: ['elsewhere'] })
    await manager.createSchedule({ name: 'a', cron: '@hourly', task: 'elsewhere' })
    await setNext('a', '1 hour')
    const before = await schedules()
    expect(await scheduler.tickOnce()).toBe(MAX_SLEEP_MS)
    await stopExecutor(db, SOME_EXECUTOR)
    // Its types count for one lease more.
    expect(await scheduler.tickOnce()).toBe(MAX_SLEEP_MS)
    expect(await schedules()).toEqual(before)
  })

  test('creates a task unparsed when no executor has known it for a lease: the task fails with the reason', async () => {
    const { db, manager, scheduler } = createScheduler()
    await registerExecutor(db, { ...executor, taskTypes: ['nobody_knows'] })
    await tables.pool.query('update async_task_executors set heartbeat_at = now() - $1::interval * 2', [
      lease.heartbeatAge,
    ])
    await manager.createSchedule({ name: 'a', cron: '* * * * *', task: 'nobody_knows', params: { n: 1 } })
    await setNext('a', '1 s')
    const sleepMs = await scheduler.tickOnce()
    expect(sleepMs).toBeGreaterThan(0)
    expect(sleepMs).toBeLessThanOrEqual(29_001)
    expect((await tables.read()).tasks).toEqual([])
    await setNext('a', '3 hours')
    await scheduler.tickOnce()
    const { tasks, params } = await tables.read()
    expect(tasks).toMatchObject([{ task_type: 'nobody_knows', status: 'pending' }])
    expect(params).toMatchObject([{ key: 'n', value: '1' }])
    expect(await manager.getSchedule('a')).toMatchObject({
      lastTaskId: tasks[0]?.task_id,
      lastError: "UNKNOWN_TASK_TYPE: no executor has registered 'nobody_knows'",
    })
  })
})

describe('between ticks', () => {
  test('it sleeps until the next one, and no longer than a minute', async () => {
    const { manager, scheduler } = createScheduler()
    expect(await scheduler.tickOnce()).toBe(MAX_SLEEP_MS)
    await manager.createSchedule({ name: 'far', cron: '@yearly', task: tick })
    expect(await scheduler.tickOnce()).toBe(MAX_SLEEP_MS)
    await manager.createSchedule({ ...SECOND, name: 'near' })
    await tables.pool.query(
      `update async_task_schedules set next_run_at = now() + interval '30 s' where name = 'near'`,
    )
    const sleepMs = await scheduler.tickOnce()
    expect(sleepMs).toBeGreaterThan(0)
    expect(sleepMs).toBeLessThanOrEqual(31_000)
  })

  test('one statement is all it costs', async () => {
    const { manager, scheduler } = createScheduler()
    await manager.createSchedule({ name: 'far', cron: '@yearly', task: tick })
    const statements = await captureStatements(tables.pool, () => scheduler.tickOnce())
    expect(statements).toHaveLength(1)
  })
})
