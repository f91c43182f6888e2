import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'
import { describe, expect, test } from 'vitest'
import type { TaskStats } from '../../../src/contract/stats.ts'
import { createPool, endPool } from '../../../src/db/client.ts'
import { createDatabase } from '../../../src/db/database.ts'
import { FigureCounter } from '../../../src/engine/maintenance/figure-counter.ts'
import { Statistics } from '../../../src/engine/manager/statistics.ts'
import { TaskEvents } from '../../../src/engine/runtime/events.ts'
import { startFaultProxy } from '../../support/fault-proxy.ts'
import { captureAllStatements, captureStatements } from '../../support/plans.ts'
import { slowPool } from '../../support/slow-pool.ts'
import { inStatus, SOME_EXECUTOR, useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()

const NONE = { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 }

describe('stats', () => {
  test('are not waited for through a pool that gives no connection, but asked for anew', async () => {
    const pool = new pg.Pool({ connectionString: tables.database.url, max: 1 })
    pool.on('error', () => {})
    const held = await pool.connect()
    try {
      const db = createDatabase(pool, {
        prepared: tables.database.prepared,
        schema: tables.database.schema,
        responseTimeoutMs: 25,
      })
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
    expect(stats).toMatchObject({ byStatus: NONE, byType: [], isCapped: false, oldestDueSeconds: null })
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
    const { byStatus, byType, isCapped } = await manager.stats()
    expect(byType).toEqual([
      { taskType: 'a', pending: 2, running: 1, completed: 1, failed: 1, cancelled: 1 },
      { taskType: 'b', ...NONE, completed: 1 },
      { taskType: 'ü', ...NONE, completed: 1 },
    ])
    expect(byStatus).toEqual({ pending: 2, running: 1, completed: 3, failed: 1, cancelled: 1 })
    expect(isCapped).toBe(false)
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
    const statistics = new Statistics(
      createDatabase(pool, { prepared: tables.database.prepared, schema: tables.database.schema }),
    )
    const failed = statistics.read()
    await expect(failed).rejects.toThrow('took too long')
    expect(statistics.read()).toBe(failed)
  })

  test('count ended tasks of a type up to 10,000, and tell; what waits and runs stays exact', async () => {
    await tables.pool.query(
      `insert into async_tasks (task_id, task_type, status, completed_at)
       select 'task_h' || n, case when n % 25 = 0 then 'rare' else 'common' end,
              case when n % 100 = 0 then 'failed' else 'completed' end, now()
         from generate_series(1, 12000) n`,
    )
    await tables.pool.query(
      // Not due: tasks that are due for a while without an executor are marked.
      `insert into async_tasks (task_id, task_type, status, run_at)
       select 'task_p' || n, 'common', 'pending', now() + interval '1 hour' from generate_series(1, 10001) n`,
    )
    for (let i = 0; i < 5; i += 1) await tables.insert({ task_type: 'common', ...inStatus('running') })
    const stats = await tables.createManager().manager.stats()
    expect(stats.byType).toEqual([
      { taskType: 'common', ...NONE, pending: 10_001, running: 5, completed: 10_000 },
      { taskType: 'rare', ...NONE, completed: 360, failed: 120 },
    ])
    expect(stats.byStatus).toEqual({ ...NONE, pending: 10_001, running: 5, completed: 10_360, failed: 120 })
    expect(stats.isCapped).toBe(true)
  })

  test('are exact for 10,000 ended tasks of a type', async () => {
    await tables.pool.query(
      `insert into async_tasks (task_id, task_type, status, cancelled_at)
       select 'task_c' || n, 'common', 'cancelled', now() from generate_series(1, 10000) n`,
    )
    const stats = await tables.createManager().manager.stats()
    expect(stats).toMatchObject({ byStatus: { ...NONE, cancelled: 10_000 }, isCapped: false })
  })
})

describe('ends by minute', () => {
  test('are those of all processes, counted where they were written', async () => {
    const { db, manager } = tables.createManager()
    for (let process = 0; process < 2; process += 1) {
      const events = new TaskEvents()
      const counter = new FigureCounter(db, events)
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
    const counter = new FigureCounter(db, events)
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
      const counter = new FigureCounter(
        createDatabase(pool, { prepared: tables.database.prepared, schema: tables.database.schema }),
        events,
      )
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
