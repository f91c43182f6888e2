import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { withTransaction } from '../../../src/db/client.ts'
import { endsIn, runningIn, sum, waitingIn } from '../../../src/engine/definition/figures.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { FigureCounter } from '../../../src/engine/maintenance/figure-counter.ts'
import { createGate } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'
import { rememberTypes } from '../../support/remember-types.ts'
import { sumFigures } from './sum-figures.ts'

describe('figures', () => {
  const engines = useEngines()
  const fast = {
    heartbeatIntervalMs: 100,
    leaseMs: 1_000,
    pollIntervalMs: 50,
    retryBaseMs: 1,
    concurrency: 8,
    unknownTypeGraceSeconds: 1,
  }

  test('agree with the table after completions, retries, timeouts, cancels, rescues, expiries and unknown types', async () => {
    const { task } = createTaskRegistry()
    await rememberTypes(engines.database.pool, 'nobody_knows')
    const held = createGate()
    const kinds = [
      task('fine')(() => {}),
      task('flaky', { maxRetries: 2 })((_params, ctx) => {
        if (ctx.attempt < 3) throw new Error('again')
      }),
      task('broken', { maxRetries: 1 })(() => {
        throw new Error('broken')
      }),
      task('slow', { maxRetries: 0, timeoutSeconds: 1 })(async (_params, ctx) => {
        await new Promise((resolve) => ctx.signal.addEventListener('abort', resolve))
      }),
      task('held')(() => held.opened),
      task('sleeps')(async (_params, ctx) => ctx.sleep('a moment', 1)),
    ] as const
    const [fine, flaky, broken, slow, heldTask, sleeps] = kinds
    // A lost response would be counted twice.
    const patient = { responseTimeoutMs: 30_000 }
    const first = engines.create(kinds, fast, patient)
    const second = engines.create(kinds, fast, patient)
    const counters = [first, second].map(({ db, events }) => new FigureCounter(db, events))
    const { manager } = first
    const pool = engines.database.pool

    // As two processes that died left them.
    const orphans = await manager.createTasks([
      { task: fine, maxRetries: 3 },
      { task: fine, maxRetries: 0 },
    ])
    await pool.query(
      `update async_tasks set status = 'running', attempt = 1, started_at = now(), executor_id = $1
        where task_id = any($2)`,
      [randomUUID(), orphans.map(({ taskId }) => taskId)],
    )
    const created = await manager.createTasks(
      [fine, fine, fine, flaky, flaky, broken, broken, slow, sleeps].flatMap((one) =>
        Array.from({ length: 3 }, () => ({ task: one })),
      ),
    )
    const running = await manager.createTask(heldTask)
    const later = await manager.createTask(fine, {}, { delayMs: 3_600_000 })
    const expiring = { uniqueKey: 'one', delayMs: 0, expiresAt: new Date(Date.now() + 3_600_000) }
    const expired = await manager.createTask(fine, {}, { ...expiring, delayMs: 60_000 })
    await pool.query(`update async_tasks set expires_at = now() where task_id = $1`, [expired.taskId])
    const successor = await withTransaction(pool, (tx) =>
      manager.createTask(fine, {}, { uniqueKey: 'one', tx }),
    )
    const unknown = await manager.createTask('nobody_knows')

    first.executor.start()
    second.executor.start()
    await expect.poll(async () => (await manager.getTask(running.taskId))?.status).toBe('running')
    await second.manager.cancelTask(running.taskId)
    await manager.bulk({ action: 'cancel', taskIds: [later.taskId] })
    held.open()
    const all = [...orphans, ...created, running, later, successor, unknown].map(({ taskId }) => taskId)
    for (const taskId of all) await manager.waitFor(taskId)
    // Ends again.
    await manager.retryTask(created.at(15)?.taskId ?? '')
    await manager.waitFor(created.at(15)?.taskId ?? '')
    await Promise.all(counters.map((counter) => counter.stop()))

    const { rows: byStatus } = await pool.query<{ status: string; n: number }>(
      'select status, count(*)::int as n from async_tasks group by status',
    )
    const { rows: lost } = await pool.query<{ n: number }>(
      `select count(*)::int as n from async_task_attempts where outcome in ('failed', 'timed_out', 'lost')`,
    )
    const inTable = Object.fromEntries(byStatus.map(({ status, n }) => [status, n]))
    const ends = endsIn(await sumFigures(first))
    // One failed twice; unknown types fail without an attempt.
    expect(ends).toEqual({
      completed: inTable.completed,
      failed: (inTable.failed ?? 0) + 1,
      cancelled: inTable.cancelled,
      retried: (lost[0]?.n ?? 0) - (inTable.failed ?? 0),
    })
    expect(ends).toMatchObject({ completed: 9 + 6 + 3 + 1 + 1, cancelled: 3, failed: 6 + 3 + 1 + 1 + 1 })

    const figures = await sumFigures(first)
    const { rows: starts } = await pool.query<{ n: number }>('select sum(attempt)::int as n from async_tasks')
    // Not of the two whose processes died.
    expect(waitingIn(figures)?.count).toBe((starts[0]?.n ?? 0) - 2)
    for (const span of [15, 60] as const) expect(await sumFigures(first, span)).toEqual(figures)
    const perType = ['fine', 'flaky', 'broken', 'slow', 'held', 'sleeps', 'nobody_knows']
    expect(sum(await Promise.all(perType.map((type) => sumFigures(first, 15, type))))).toEqual(figures)
    expect(endsIn(await sumFigures(first, 60, 'flaky'))).toEqual({
      completed: 6,
      failed: 0,
      cancelled: 0,
      retried: 12,
    })
    expect(runningIn(await sumFigures(first, 1, 'slow'))).toMatchObject({ count: 3 })
    expect(runningIn(await sumFigures(first, 1, 'slow'))?.p50).toBeGreaterThan(700)
    const finished = (await manager.stats()).finishedPerMinute
    expect(finished.reduce((total, { completed }) => total + completed, 0)).toBe(ends.completed)
  })
})
