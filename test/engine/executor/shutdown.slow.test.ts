import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { aborted, createEngine, createGate, nextEvent } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'
import { startFaultProxy } from '../../support/fault-proxy.ts'
import { slowPool } from '../../support/slow-pool.ts'

const engines = useEngines()

describe('stop', () => {
  test('claims nothing more, waits for handlers that finish, and leaves nothing running', async () => {
    const { task } = createTaskRegistry()
    const started = createGate()
    const finish = createGate()
    const work = task('work')(async (_params, ctx) => {
      started.open()
      await finish.opened
      ctx.log.info('finished during the stop')
      return 'done'
    })
    const { manager, executor } = engines.start([work], { concurrency: 1 })
    const running = await manager.createTask(work)
    const waiting = await manager.createTask(work)
    await started.opened
    const stopped = executor.stop()
    expect(executor.health()).toMatchObject({ ok: false, reasons: ['shutting down'] })
    finish.open()
    await stopped
    expect(await manager.getTask(running.taskId)).toMatchObject({ status: 'completed', result: 'done' })
    expect(await manager.listLogs(running.taskId)).toMatchObject({ total: 1 })
    expect(await manager.getTask(waiting.taskId)).toMatchObject({ status: 'pending', attempts: [] })
    expect(await manager.listExecutors()).toEqual([])
  })

  test('at 80 % of the time aborts the rest and releases it: at once, or after the grace, no retry spent', async () => {
    const { task } = createTaskRegistry()
    const leave = createGate()
    let both = 0
    const bothRun = createGate()
    const enter = () => {
      both += 1
      if (both === 2) bothRun.open()
    }
    const polite = task('polite')(async (_params, { signal }) => {
      enter()
      await aborted(signal)
      return 'half done'
    })
    const deaf = task('deaf')(async () => {
      enter()
      await leave.opened
    })
    const { manager, executor } = engines.start([polite, deaf], {
      shutdownTimeoutMs: 12_000,
      cancelGraceMs: 60_000,
    })
    const first = await manager.createTask(polite)
    const second = await manager.createTask(deaf)
    await bothRun.opened
    const begun = performance.now()
    await executor.stop()
    const took = performance.now() - begun
    expect(took).toBeGreaterThan(9_500)

    const returned = await manager.getTask(first.taskId)
    expect(returned).toMatchObject({ status: 'pending', retryCount: 0, error: null, executorId: null })
    expect(returned?.attempts).toMatchObject([{ attempt: 1, outcome: 'interrupted', error: null }])
    expect(Number(returned?.runAt)).toBeLessThanOrEqual(Date.now())

    const kept = await manager.getTask(second.taskId)
    expect(kept).toMatchObject({ status: 'pending', retryCount: 0 })
    const handedBackAt = Number(kept?.attempts[0]?.endedAt)
    expect(Number(kept?.runAt) - handedBackAt).toBe(60_000)

    // The deaf one returns after all: nothing changes.
    leave.open()
    await expect.poll(() => executor.health().stuck).toEqual([])
    expect(await manager.getTask(second.taskId)).toEqual(kept)
  })

  test('is not kept from its last writes by a connection that no longer responds', async () => {
    const { task } = createTaskRegistry()
    const deaf = task('deaf')(() => leave.opened)
    const leave = createGate()
    const proxy = await startFaultProxy(engines.database.directUrl)
    const database = { ...engines.database, directUrl: proxy.url }
    const { manager, executor, events } = createEngine(
      database,
      [deaf],
      { shutdownTimeoutMs: 15_000 },
      { hears: true },
    )
    executor.start()
    try {
      const listeners = `select from pg_stat_activity where datname = current_database() and query like 'listen%'`
      await expect.poll(async () => (await engines.database.pool.query(listeners)).rowCount).toBe(1)
      const started = nextEvent(events, 'started')
      const { taskId } = await manager.createTask(deaf)
      await started
      proxy.set('silence')
      await executor.stop()
      expect(await manager.getTask(taskId)).toMatchObject({ status: 'pending', retryCount: 0 })
      expect(await manager.listExecutors()).toEqual([])
    } finally {
      leave.open()
      try {
        await executor.stop()
      } finally {
        await proxy.close()
      }
    }
  })

  test('does not release what is done: waits for an outcome that is slow to be written', async () => {
    const { task } = createTaskRegistry()
    const started = createGate()
    const finish = createGate()
    const write = createGate()
    const work = task('work')(async () => {
      started.open()
      await finish.opened
      return 'done'
    })
    const pool = slowPool(engines.database.pool, async ({ text }, send) => {
      if (text.includes('tasks_complete')) await write.opened
      return send()
    })
    const { manager, executor } = createEngine({ ...engines.database, pool }, [work], {
      shutdownTimeoutMs: 20_000,
    })
    executor.start()
    const { taskId } = await manager.createTask(work)
    await started.opened
    const stopped = executor.stop()
    finish.open()
    // Between the hand-back, at 92 % of the time, and the end of it.
    await delay(18_800)
    write.open()
    await stopped
    expect(await manager.getTask(taskId)).toMatchObject({ status: 'completed', result: 'done' })
  })

  test('a task that is interrupted and still reports progress emits no late event', async () => {
    const { task } = createTaskRegistry()
    const started = createGate()
    const work = task('work')(async (_params, ctx) => {
      ctx.progress(1, 2)
      started.open()
      await aborted(ctx.signal)
      ctx.progress(2, 2)
      ctx.log.info('on its way out')
    })
    const { manager, executor, events } = engines.start([work], { shutdownTimeoutMs: 10_000 })
    const late: unknown[] = []
    events.on('late', (event) => late.push(event))
    const { taskId } = await manager.createTask(work)
    await started.opened
    await executor.stop()
    const handedBack = await manager.getTask(taskId)
    expect(handedBack).toMatchObject({ status: 'pending', attempts: [{ outcome: 'interrupted' }] })
    expect(late).toEqual([])
  })

  test('an interrupted task runs again in another executor, counting on', async () => {
    const { task } = createTaskRegistry()
    const started = createGate()
    const work = task('work')(async (_params, ctx) => {
      started.open()
      if (ctx.attempt === 1) await aborted(ctx.signal)
      return ctx.attempt
    })
    const { manager, executor } = engines.start([work], { shutdownTimeoutMs: 10_000 })
    const { taskId } = await manager.createTask(work)
    await started.opened
    await executor.stop()
    const next = engines.start([work])
    expect(await next.manager.waitFor(taskId)).toMatchObject({
      status: 'completed',
      result: 2,
      retryCount: 0,
    })
  })

  test('is the same stop for every caller, and harmless before the start', async () => {
    const { task } = createTaskRegistry()
    const { executor } = engines.create([task('noop')(() => {})])
    expect(executor.health()).toMatchObject({ ok: false, reasons: ['not started'] })
    await Promise.all([executor.stop(), executor.stop()])
  })
})
