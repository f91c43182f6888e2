import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { MAX_SLEEP_MS } from '../../../src/engine/schedules/scheduler.ts'
import { registerExecutor, stopExecutor } from '../../../src/engine/store/executors.ts'
import { logTaskEvents } from '../../../src/telemetry/log.ts'
import { SOME_EXECUTOR } from '../../support/task-rows.ts'
import { tick, useSchedulers } from './schedulers.ts'

const { tables, createScheduler, setNext, schedules } = useSchedulers()
const { task } = createTaskRegistry()

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
