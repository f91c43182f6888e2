import { describe, expect, onTestFinished, test } from 'vitest'
import type { TaskEventMap } from '../../../src/engine/runtime/events.ts'
import { currentTick } from '../../../src/engine/schedules/current-tick.ts'
import { MAX_SLEEP_MS } from '../../../src/engine/schedules/scheduler.ts'
import { captureStatements } from '../../support/plans.ts'
import { ofTheDay, SECOND, tick, useSchedulers } from './schedulers.ts'

const { tables, createScheduler, setNext, schedules } = useSchedulers()

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
