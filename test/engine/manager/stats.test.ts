import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { describe, expect, test } from 'vitest'
import type { TaskStats } from '../../../src/contract/stats.ts'
import { createPool, endPool } from '../../../src/db/client.ts'
import { createDatabase } from '../../../src/db/database.ts'
import { FinishCounter } from '../../../src/engine/maintenance/finish-counter.ts'
import { Statistics, summarize } from '../../../src/engine/manager/statistics.ts'
import { TaskEvents } from '../../../src/engine/runtime/events.ts'
import type { TypeCount } from '../../../src/engine/store/stats.ts'
import { startFaultProxy } from '../../support/fault-proxy.ts'
import { captureAllStatements, captureStatements } from '../../support/plans.ts'
import { slowPool } from '../../support/slow-pool.ts'
import { inStatus, SOME_EXECUTOR, useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()

const NONE = { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 }

describe('stats', () => {
  test('are not waited for through a pool that gives no connection, but asked for anew', async () => {
    const pool = new pg.Pool({ connectionString: tables.database.url, max: 1 })
    const held = await pool.connect()
    try {
      const db = createDatabase(pool, { prepared: tables.database.prepared, responseTimeoutMs: 25 })
      const statistics = new Statistics(db)
      const first = statistics.read()
      expect(statistics.read()).toBe(first)
      await expect.poll(() => statistics.read() !== first).toBe(true)
    } finally {
      held.release()
      await pool.end()
    }
  })

  test('of an empty table are zeros and sixty minutes', async () => {
    const { manager } = tables.createManager()
    const stats = await manager.stats()
    expect(stats).toMatchObject({ byStatus: NONE, byType: [], isEstimate: false, oldestDueSeconds: null })
    expect(stats.oldestClaimableSeconds).toBeNull()
    expectLastHour(stats)
    expect(stats.finishedPerMinute.every(({ completed }) => completed === 0)).toBe(true)
  })

  test('count by status and type', async () => {
    const { manager } = tables.createManager()
    for (const status of ['pending', 'pending', 'running', 'completed', 'failed', 'cancelled'] as const) {
      await tables.insert({ task_type: 'a', ...inStatus(status) })
    }
    await tables.insert({ task_type: 'b', ...inStatus('completed') })
    await tables.insert({ task_type: 'ü', ...inStatus('completed') })
    const { byStatus, byType, isEstimate } = await manager.stats()
    expect(byType).toEqual([
      { taskType: 'a', pending: 2, running: 1, completed: 1, failed: 1, cancelled: 1 },
      { taskType: 'b', ...NONE, completed: 1 },
      { taskType: 'ü', ...NONE, completed: 1 },
    ])
    expect(byStatus).toEqual({ pending: 2, running: 1, completed: 3, failed: 1, cancelled: 1 })
    expect(isEstimate).toBe(false)
  })

  test('show how long the oldest due task has waited; one that is not due does not wait', async () => {
    const { manager } = tables.createManager()
    await tables.insert({ run_at: new Date(Date.now() + 60_000) })
    expect((await manager.stats()).oldestDueSeconds).toBeNull()
    await tables.pool.query(
      `insert into async_tasks (task_id, task_type, run_at, priority)
       select 'task_w' || n, 'type' || n, now() - n * interval '100 seconds', 10 - n from generate_series(1, 3) n`,
    )
    const { oldestDueSeconds } = await tables.createManager().manager.stats()
    expect(oldestDueSeconds).toBeGreaterThanOrEqual(300)
    expect(oldestDueSeconds).toBeLessThan(400)
  })

  test('show the oldest wait among tasks that can start: no paused type, and an executor for the type', async () => {
    await tables.pool.query(
      `insert into async_tasks (task_id, task_type, run_at)
       select 'task_' || type, type, now() - seconds * interval '1 second'
         from (values ('paused', 500), ('orphaned', 400), ('resumed', 300), ('served', 100)) as t (type, seconds)`,
    )
    const { manager } = tables.createManager()
    expect((await manager.stats()).oldestClaimableSeconds).toBeNull()
    await tables.pool.query(
      `insert into async_task_executors (executor_id, host, pid, version, slots, task_types, lease_ms)
       values ($1, 'h', 1, '1', 2, '{paused,resumed,served}', 3600000)`,
      [SOME_EXECUTOR],
    )
    await tables.pool.query(
      `insert into async_task_types (task_type, paused_at) values ('paused', now()), ('resumed', null)`,
    )
    const { oldestClaimableSeconds, oldestDueSeconds } = await tables.createManager().manager.stats()
    expect(oldestClaimableSeconds).toBeGreaterThanOrEqual(300)
    expect(oldestClaimableSeconds).toBeLessThan(400)
    expect(oldestDueSeconds).toBeGreaterThanOrEqual(500)
  })

  test('are counted once for all who ask at the same time, and for a moment after', async () => {
    const { manager } = tables.createManager()
    const statements = await captureAllStatements(async () => {
      const all = await Promise.all(Array.from({ length: 50 }, () => manager.stats()))
      expect(new Set(all).size).toBe(1)
      expect(await manager.stats()).toBe(all[0])
    })
    expect(statements.filter(({ text }) => text.includes('async_task'))).toHaveLength(2)
  })

  test('that failed are tried again by the next caller', async () => {
    const { manager } = tables.createManager()
    await tables.pool.query('alter table async_task_minutes rename to elsewhere')
    await expect(manager.stats()).rejects.toThrow(/async_task_minutes/)
    await tables.pool.query('alter table elsewhere rename to async_task_minutes')
    expect(await manager.stats()).toMatchObject({ byStatus: NONE })
  })

  test('that failed after long are not tried again at once', async () => {
    const pool = slowPool(tables.pool, async () => {
      await delay(1_100)
      throw new Error('took too long')
    })
    const statistics = new Statistics(createDatabase(pool, { prepared: tables.database.prepared }))
    const failed = statistics.read()
    await expect(failed).rejects.toThrow('took too long')
    expect(statistics.read()).toBe(failed)
  })

  test('estimate large counts of ended tasks, and mark them; what waits and runs stays exact', async () => {
    await tables.pool.query(
      `insert into async_tasks (task_id, task_type, status, completed_at)
       select 'task_h' || n, case when n % 25 = 0 then 'rare' else 'common' end,
              case when n % 100 = 0 then 'failed' else 'completed' end, now()
         from generate_series(1, 40000) n`,
    )
    await tables.pool.query('vacuum analyze async_tasks')
    for (let i = 0; i < 5; i += 1) await tables.insert({ task_type: 'common', ...inStatus('running') })
    for (let i = 0; i < 7; i += 1) await tables.insert({ task_type: 'common' })
    const stats = await tables.createManager().manager.stats()
    expect(stats.isEstimate).toBe(true)
    const [common, rare] = stats.byType
    expect(common).toMatchObject({ taskType: 'common', pending: 7, running: 5, failed: 0 })
    expect(common?.completed).toBeGreaterThan(38_400 * 0.9)
    expect(common?.completed).toBeLessThan(38_400 * 1.1)
    // Few enough to be counted.
    expect(rare).toEqual({ taskType: 'rare', ...NONE, completed: 1_200, failed: 400 })
    expect(stats.byStatus).toMatchObject({ pending: 7, running: 5, failed: 400 })
  })
})

describe('a summary', () => {
  const type = (columns: Partial<TypeCount>): TypeCount => ({
    taskType: 't',
    ...{ pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0, oldestDueSeconds: null },
    ...{ paused: false, share: null, rows: null, failedShare: null, cancelledShare: null },
    ...columns,
  })

  test.each<[string, Partial<TypeCount>, number]>([
    ['the planner expects', { completed: 10_001, rows: 1_000_000, share: 0.5 }, 500_000],
    ['was counted, when the planner expects less', { completed: 10_001, rows: 100, share: 1 }, 10_001],
    ['was counted, before there are statistics', { completed: 10_001 }, 10_001],
    [
      'no other type has, when the planner does not name this one',
      { completed: 10_001, rows: 50_000 },
      50_000,
    ],
    ['was counted, up to the bound', { completed: 10_000, rows: 1_000_000, share: 0.5 }, 10_000],
    [
      'the planner expects beside the others',
      { completed: 10_001, rows: 100_000, share: 1, pending: 5_000, failed: 15_000 },
      80_000,
    ],
  ])('says that as many completed as %s', (_what, columns, completed) => {
    expect(summarize([type(columns)]).byStatus.completed).toBe(completed)
  })

  test('gives a type with too many failed tasks to count what the planner expects beside the others', () => {
    const shares = { rows: 1_000_000, failedShare: 0.3, share: 0.5, completed: 10_001 }
    const { byType, byStatus, isEstimate } = summarize([
      type({ taskType: 'a', failed: 100_001, ...shares }),
      type({ taskType: 'b', failed: 500, ...shares }),
    ])
    expect(byType.map(({ failed }) => failed)).toEqual([299_500, 500])
    expect(byStatus.completed).toBe(700_000)
    expect(isEstimate).toBe(true)
  })
})

describe('ends by minute', () => {
  test('are those of all processes, counted where they were written', async () => {
    const { db, manager } = tables.createManager()
    for (let process = 0; process < 2; process += 1) {
      const events = new TaskEvents()
      const counter = new FinishCounter(db, events)
      const run = { taskId: 'task_a', taskType: 'a', attempt: 1, durationMs: 1 }
      for (let i = 0; i < 5; i += 1) events.emit('ended', { ...run, outcome: 'completed' })
      events.emit('ended', { ...run, outcome: 'failed', error: 'x' })
      events.emit('ended', { ...run, outcome: 'timed_out', error: 'x' })
      // Neither is an end.
      events.emit('ended', { ...run, outcome: 'failed', error: 'x', retryInMs: 5 })
      events.emit('ended', { ...run, outcome: 'interrupted' })
      events.emit('cancelled', { taskId: 'task_a', taskType: 'a', attempt: 1 })
      events.emit('unknownTypeFailed', { taskId: 'task_a', taskType: 'a', attempt: 0, error: 'x' })
      const lost = { taskId: 'task_a', taskType: 'a', attempt: 1, error: 'x' }
      const rescued = [
        { ...lost, status: 'failed' as const },
        { ...lost, status: 'pending' as const },
      ]
      events.emit('rescued', { tasks: rescued })
      await counter.flush()
      // A second flush has nothing to write; later ends are added.
      await counter.flush()
      events.emit('ended', { ...run, outcome: 'completed' })
      await counter.stop()
      events.emit('ended', { ...run, outcome: 'completed' })
    }
    const { finishedPerMinute } = await manager.stats()
    const sum = (key: 'completed' | 'failed' | 'cancelled') =>
      finishedPerMinute.reduce((total, minute) => total + minute[key], 0)
    expect([sum('completed'), sum('failed'), sum('cancelled')]).toEqual([12, 8, 2])
  })

  test('cost one statement a flush, however many there are, and none at rest', async () => {
    const { db } = tables.createManager()
    const events = new TaskEvents()
    const counter = new FinishCounter(db, events)
    const run = { taskId: 'task_a', taskType: 'a', attempt: 1, durationMs: 1, outcome: 'completed' as const }
    const statements = await captureStatements(tables.pool, async () => {
      await counter.flush()
      for (let i = 0; i < 10_000; i += 1) events.emit('ended', run)
      await counter.flush()
      await counter.flush()
    })
    expect(statements).toHaveLength(1)
    await counter.stop()
  })

  test('are kept over an outage and written after it', async () => {
    const { manager } = tables.createManager()
    const proxy = await startFaultProxy(tables.database.url)
    const pool = createPool({ connectionString: proxy.url })
    try {
      const events = new TaskEvents()
      const counter = new FinishCounter(createDatabase(pool, { prepared: tables.database.prepared }), events)
      proxy.set('reset')
      events.emit('cancelled', { taskId: 'task_a', taskType: 'a', attempt: 0 })
      await counter.flush()
      proxy.set('none')
      await counter.flush()
      await counter.stop()
    } finally {
      await endPool(pool, 1_000)
      await proxy.close()
    }
    const { finishedPerMinute } = await manager.stats()
    expect(finishedPerMinute.reduce((total, { cancelled }) => total + cancelled, 0)).toBe(1)
  })

  test('of more than an hour ago are left out', async () => {
    const { manager } = tables.createManager()
    await tables.pool.query(
      `insert into async_task_minutes (minute, source, completed)
       select date_trunc('minute', now()) - n * interval '1 minute', gen_random_uuid(), 1000 + n
         from unnest(array[0, 10, 59, 60, 61]) n`,
    )
    const stats = await manager.stats()
    expectLastHour(stats)
    const told = stats.finishedPerMinute.map(({ completed }) => completed).filter((count) => count > 0)
    // The minute may have passed between the two.
    expect(told.slice(-2)).toEqual([1010, 1000])
    expect(told).not.toContain(1061)
  })
})

function expectLastHour({ finishedPerMinute }: TaskStats): void {
  expect(finishedPerMinute).toHaveLength(60)
  finishedPerMinute.forEach(({ minute }, i) => {
    expect(minute.getTime() - (finishedPerMinute[0]?.minute.getTime() ?? 0)).toBe(i * 60_000)
  })
  expect(Math.abs(Date.now() - (finishedPerMinute.at(-1)?.minute.getTime() ?? 0))).toBeLessThan(120_000)
}
