import { describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { FigureCounter } from '../../../src/engine/maintenance/figure-counter.ts'
import { SOME_EXECUTOR, useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()
const { task } = createTaskRegistry()
const plain = task('plain')(() => {})

const FAR = new Date(Date.now() + 3_600_000)

async function startExecutor(...taskTypes: string[]) {
  await tables.pool.query(
    `insert into async_task_executors (executor_id, host, pid, version, slots, task_types, lease_ms)
     values ($1, 'h', 1, '1', 3, $2, 3600000)`,
    [SOME_EXECUTOR, taskTypes],
  )
}

describe('the overview', () => {
  test('of an empty table has spans without figures, of each length', async () => {
    const { manager } = tables.createManager()
    for (const [range, spans, seconds] of [
      ['1h', 60, 60],
      ['24h', 96, 900],
      ['7d', 168, 3_600],
    ] as const) {
      const overview = await manager.overview({ range })
      expect(overview).toMatchObject({
        range,
        taskType: null,
        spanSeconds: seconds,
        whole: { completed: 0, failed: 0, cancelled: 0, retried: 0, waiting: null, running: null },
        backlog: { due: 0, later: 0, retrying: 0, paused: 0, unserved: 0 },
        slots: { used: 0, all: 0 },
      })
      expect(overview.spans).toHaveLength(spans)
      const [first, second] = overview.spans
      expect((second?.at.getTime() ?? 0) - (first?.at.getTime() ?? 0)).toBe(seconds * 1_000)
      expect(Math.abs(Date.now() - (overview.spans.at(-1)?.at.getTime() ?? 0))).toBeLessThan(
        seconds * 1_000 + 60_000,
      )
    }
  })

  test('shows what was counted, in the spans and as a whole, of all types or of one', async () => {
    const { db, events, manager } = tables.createManager()
    const counter = new FigureCounter(db, events)
    for (let i = 0; i < 100; i += 1) {
      const run = { taskId: 'task_a', taskType: i % 4 === 0 ? 'b' : 'a', attempt: 1 }
      events.emit('started', { ...run, waitedMs: 10 })
      events.emit('ended', {
        ...run,
        outcome: i % 10 === 0 ? 'failed' : 'completed',
        durationMs: i < 90 ? 100 : 10_000,
      })
    }
    await counter.stop()
    const { whole, spans } = await manager.overview({ range: '24h' })
    expect(whole).toMatchObject({
      completed: 90,
      failed: 10,
      waiting: { count: 100 },
      running: { count: 100 },
    })
    expect(whole.running?.p50).toBeGreaterThan(70)
    expect(whole.running?.p50).toBeLessThan(142)
    expect(whole.running?.p95).toBeGreaterThan(7_000)
    expect(spans.slice(-2).reduce((total, { completed }) => total + completed, 0)).toBe(90)
    expect((await manager.overview({ range: '7d', taskType: 'b' })).whole).toMatchObject({
      completed: 20,
      failed: 5,
    })
  })

  test('counts each pending task once: due, later, retrying, paused or without an executor', async () => {
    await startExecutor('a', 'paused')
    await tables.pool.query(`insert into async_task_types (task_type, paused_at) values ('paused', now())`)
    const due = new Date(Date.now() - 10_000)
    for (const columns of [
      { task_type: 'a', run_at: due },
      { task_type: 'a', run_at: due },
      { task_type: 'a', run_at: FAR },
      { task_type: 'a', run_at: FAR, retry_count: 1 },
      { task_type: 'paused', run_at: due },
      { task_type: 'paused', run_at: FAR, retry_count: 1 },
      { task_type: 'gone', run_at: due },
    ])
      await tables.insert(columns)
    await tables.insert({
      task_type: 'a',
      status: 'running',
      executor_id: SOME_EXECUTOR,
      attempt: 1,
      started_at: due,
    })
    const { backlog, slots } = await tables.createManager().manager.overview()
    expect(backlog).toEqual({ due: 2, later: 1, retrying: 1, paused: 2, unserved: 1 })
    expect(slots).toEqual({ used: 1, all: 3 })
    const ofGone = await tables.createManager().manager.overview({ taskType: 'gone' })
    expect(ofGone.backlog).toEqual({ due: 0, later: 0, retrying: 0, paused: 0, unserved: 1 })
  })

  test('type by type has the figures of each span, and agrees with the one of that type', async () => {
    await startExecutor('a')
    const { db, events, manager } = tables.createManager()
    const counter = new FigureCounter(db, events)
    for (let i = 0; i < 20; i += 1) {
      const run = { taskId: 'task_a', taskType: i < 5 ? 'b' : 'a', attempt: 1 }
      events.emit('started', { ...run, waitedMs: 10 })
      events.emit('ended', { ...run, outcome: i % 2 === 0 ? 'failed' : 'completed', durationMs: 100 })
    }
    await counter.stop()
    await tables.insert({ task_type: 'a', run_at: FAR })
    await tables.insert({ task_type: 'c', run_at: FAR })
    for (const [range, count] of [
      ['1h', 60],
      ['24h', 96],
      ['7d', 168],
    ] as const) {
      const { types, spanSeconds } = await manager.overviewByType({ range })
      expect(types.map(({ taskType }) => taskType)).toEqual(['a', 'b', 'c'])
      for (const type of types) {
        const one = await manager.overview({ range, taskType: type.taskType })
        expect(spanSeconds).toBe(one.spanSeconds)
        expect(type).toMatchObject({ whole: one.whole, backlog: one.backlog, running: 0 })
        expect(type.ended).toHaveLength(count)
      }
      const sumOf = (counts: number[] = []) => counts.slice(-2).reduce((sum, one) => sum + one, 0)
      expect(types.map(({ ended }) => sumOf(ended))).toEqual([15, 5, 0])
      expect(types.map(({ failed }) => sumOf(failed))).toEqual([7, 3, 0])
    }
  })

  test('refuses what it does not know', async () => {
    const { manager } = tables.createManager()
    await expect(manager.overviewByType({ range: '2h' as '1h' })).rejects.toThrow(/range/)
    await expect(manager.overview({ range: '2h' as '1h' })).rejects.toThrow(/range/)
    await expect(manager.overview({ taskType: '' })).rejects.toThrow(/taskType/)
  })
})

describe('the health of all processes', () => {
  test('is red without an executor, and green with one', async () => {
    const { manager } = tables.createManager([plain])
    expect(await manager.health()).toMatchObject({ level: 'red', reasons: [{ code: 'NO_EXECUTOR' }] })
    await startExecutor('plain')
    expect(await tables.createManager([plain]).manager.health()).toEqual({ level: 'green', reasons: [] })
  })

  test('tells of failures and of schedules whose last tick created no task', async () => {
    await startExecutor('plain')
    const { db, events, manager } = tables.createManager([plain])
    const counter = new FigureCounter(db, events)
    for (let i = 0; i < 20; i += 1) {
      const run = { taskId: 'task_a', taskType: 'plain', attempt: 1, durationMs: 1 }
      events.emit('ended', { ...run, outcome: i < 10 ? 'failed' : 'completed' })
    }
    await counter.stop()
    await manager.createSchedule({ name: 'nightly', cron: '@daily', task: plain })
    await manager.createSchedule({ name: 'disabled', cron: '@daily', task: plain, enabled: false })
    await tables.pool.query(`update async_task_schedules set last_error = 'x'`)
    expect((await manager.health()).reasons).toMatchObject([
      { code: 'TASKS_FAIL', level: 'amber', evidence: { taskTypes: ['plain'] } },
      { code: 'SCHEDULE_FAILED', evidence: { schedules: ['nightly'] } },
    ])
  })
})
