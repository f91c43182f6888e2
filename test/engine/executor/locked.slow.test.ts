import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createPool, endPool, withTransaction } from '../../../src/db/client.ts'
import type { TaskContext } from '../../../src/engine/definition/context.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { aborted, createEngine, createGate, nextEvent } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'
import { countHeldUp } from '../../support/held-up.ts'
import { slowPool } from '../../support/slow-pool.ts'
import { hold } from './held.ts'

const engines = useEngines()
/** Of the host's own, so that what it holds takes no connection of the engine's. */
let host: pg.Pool

beforeEach(() => {
  host = createPool({ connectionString: engines.database.directUrl, max: 4 })
})
afterEach(() => endPool(host, 5_000))

const SETTINGS = { heartbeatIntervalMs: 100, leaseMs: 10_000, retryBaseMs: 0 }
/** What a caller waits at most, on a machine that is busy with other things. */
const SOON_MS = 3_000

async function holdGuard(ctx: TaskContext, until: () => Promise<void>, opened: () => void): Promise<void> {
  await withTransaction(host, async (client) => {
    await ctx.guard(client)
    opened()
    await until()
  })
}

describe('the cancel of a task that a transaction holds', () => {
  test('of a handler that honours its signal is carried out', async () => {
    const { task } = createTaskRegistry()
    const held = createGate()
    const work = task('work', { maxRetries: 3 })(async (_params, ctx) => {
      const rollBack = () => aborted(ctx.signal).then(() => Promise.reject(ctx.signal.reason))
      await holdGuard(ctx, rollBack, held.open)
    })
    const { manager, events } = engines.start([work], SETTINGS)
    const { taskId } = await manager.createTask(work)
    await held.opened
    const cancelled: string[] = []
    events.on('cancelled', (event) => cancelled.push(event.taskId))
    expect(await manager.cancelTask(taskId)).toMatchObject({
      status: 'cancelled',
      error: null,
      retryCount: 0,
    })
    await expect.poll(async () => (await manager.getTask(taskId))?.stopping).toBe(false)
    const after = await manager.getTask(taskId)
    expect(after?.attempts).toMatchObject([{ attempt: 1, outcome: 'cancelled' }])
    expect(cancelled).toEqual([taskId])
    expect((await manager.retryTask(taskId)).status).toBe('pending')
    await manager.cancelTask(taskId)
  })

  test.each(['returns', 'throws'])(
    'of a handler that commits in its own time and %s is pending until then, and then happens',
    async (how) => {
      const { task } = createTaskRegistry()
      const held = createGate()
      const finish = createGate()
      const work = task('work', { maxRetries: 3 })(async (_params, ctx) => {
        await holdGuard(ctx, () => finish.opened, held.open)
        if (how === 'throws') throw new Error('too late')
      })
      const { manager, events } = engines.start([work], { ...SETTINGS, heartbeatIntervalMs: 3_000 })
      const { taskId } = await manager.createTask(work)
      await held.opened
      const begun = performance.now()
      await expect(manager.cancelTask(taskId)).rejects.toMatchObject({ code: 'CANCEL_PENDING' })
      expect(performance.now() - begun).toBeLessThan(SOON_MS)
      expect(await manager.getTask(taskId)).toMatchObject({ status: 'running' })
      const cancelled = nextEvent(events, 'cancelled')
      finish.open()
      expect(await cancelled).toMatchObject({ taskId, attempt: 1 })
      const after = await manager.waitFor(taskId)
      expect(after).toMatchObject({ status: 'cancelled', retryCount: 0, error: null, stopping: false })
      expect(after.attempts).toMatchObject([{ attempt: 1, outcome: 'cancelled' }])
    },
  )

  test('of a handler that runs on after its transaction is carried out by a heartbeat', async () => {
    const { task } = createTaskRegistry()
    const held = createGate()
    const commit = createGate()
    const finish = createGate()
    const work = task('work')(async (_params, ctx) => {
      await holdGuard(ctx, () => commit.opened, held.open)
      await finish.opened
    })
    const { manager } = engines.start([work], SETTINGS)
    const { taskId } = await manager.createTask(work)
    await held.opened
    await expect(manager.cancelTask(taskId)).rejects.toMatchObject({ code: 'CANCEL_PENDING' })
    commit.open()
    await expect.poll(async () => (await manager.getTask(taskId))?.status).toBe('cancelled')
    expect((await manager.getTask(taskId))?.stopping).toBe(true)
    finish.open()
    await expect.poll(async () => (await manager.getTask(taskId))?.stopping).toBe(false)
    expect((await host.query('select from async_task_cancel_requests')).rowCount).toBe(0)
  })

  test('of a handler that completes it in that transaction does not happen', async () => {
    const { task } = createTaskRegistry()
    const held = createGate()
    const finish = createGate()
    const work = task('work')(async (_params, ctx) => {
      await withTransaction(host, async (client) => {
        await ctx.complete(client, 'paid')
        held.open()
        await finish.opened
      })
    })
    const { manager } = engines.start([work], SETTINGS)
    const { taskId } = await manager.createTask(work)
    await held.opened
    await expect(manager.cancelTask(taskId)).rejects.toMatchObject({ code: 'CANCEL_PENDING' })
    finish.open()
    expect(await manager.waitFor(taskId)).toMatchObject({ status: 'completed', result: 'paid' })
    await expect(manager.cancelTask(taskId)).rejects.toMatchObject({ code: 'TASK_ALREADY_FINISHED' })
    const requests = () => host.query('select from async_task_cancel_requests')
    await expect.poll(async () => (await requests()).rowCount).toBe(0)
    // What was requested once does not meet a later run.
    await expect.poll(async () => (await manager.getTask(taskId))?.stopping).toBe(false)
  })

  test('whose signal aborts in the process that runs it', async () => {
    const { task } = createTaskRegistry()
    const held = createGate()
    const told = createGate()
    const finish = createGate()
    const work = task('work')(async (_params, ctx) => {
      ctx.signal.addEventListener('abort', told.open)
      await holdGuard(ctx, () => finish.opened, held.open)
    })
    const settings = { ...SETTINGS, heartbeatIntervalMs: 3_000 }
    const runs = engines.start([work], settings, { hears: true })
    await expect.poll(() => runs.executor.health().loops.every((loop) => loop.failures === 0)).toBe(true)
    const asked = engines.create([work], settings, { hears: true })
    const { taskId } = await asked.manager.createTask(work)
    await held.opened
    const refused = expect(asked.manager.cancelTask(taskId)).rejects.toMatchObject({ code: 'CANCEL_PENDING' })
    // Before the answer: the row is locked still.
    await told.opened
    await refused
    finish.open()
    expect(await asked.manager.waitFor(taskId)).toMatchObject({ status: 'cancelled' })
  })

  test('whose signal aborts with the next heartbeat where no notification arrives', async () => {
    const { task } = createTaskRegistry()
    const held = createGate()
    const told = createGate()
    const work = task('work')(async (_params, ctx) => {
      ctx.signal.addEventListener('abort', told.open)
      await holdGuard(ctx, () => told.opened, held.open)
    })
    engines.start([work], SETTINGS)
    const { manager } = engines.create([work], SETTINGS)
    const { taskId } = await manager.createTask(work)
    await held.opened
    await manager.cancelTask(taskId).catch(() => {})
    expect(await manager.waitFor(taskId)).toMatchObject({ status: 'cancelled', retryCount: 0 })
  })

  test('takes no connection, however often it is asked for, and leaves no statement behind', async () => {
    const { task } = createTaskRegistry()
    const held = createGate()
    const finish = createGate()
    const work = task('work')((_params, ctx) => holdGuard(ctx, () => finish.opened, held.open))
    const { manager } = engines.start([work], SETTINGS)
    const { taskId } = await manager.createTask(work)
    await held.opened
    const clicks = Promise.allSettled(Array.from({ length: 30 }, () => manager.cancelTask(taskId)))
    await manager.listTasks()
    expect(await countHeldUp(host)).toBeLessThanOrEqual(1)
    for (const click of await clicks) expect(click).toMatchObject({ reason: { code: 'CANCEL_PENDING' } })
    expect(await countHeldUp(host)).toBe(0)
    finish.open()
    expect(await manager.waitFor(taskId)).toMatchObject({ status: 'cancelled' })
  })

  test('is recorded also where each statement takes longer than a cancel may', async () => {
    const { task } = createTaskRegistry()
    const held = createGate()
    const finish = createGate()
    const work = task('work')((_params, ctx) => holdGuard(ctx, () => finish.opened, held.open))
    engines.start([work], SETTINGS)
    const pool = slowPool(engines.database.pool, async (_query, send) => {
      await delay(800)
      return send()
    })
    const { manager } = createEngine({ ...engines.database, pool }, [work], SETTINGS)
    const { taskId } = await manager.createTask(work)
    await held.opened
    await expect(manager.cancelTask(taskId)).rejects.toMatchObject({ code: 'CANCEL_PENDING' })
    finish.open()
    expect(await manager.waitFor(taskId)).toMatchObject({ status: 'cancelled' })
  })

  test('among others cancels the others', async () => {
    const { task } = createTaskRegistry()
    const held = createGate()
    const finish = createGate()
    const work = task('work')((_params, ctx) => holdGuard(ctx, () => finish.opened, held.open))
    const { manager } = engines.start([work], { ...SETTINGS, concurrency: 1 })
    const guarded = await manager.createTask(work)
    await held.opened
    const pending = await manager.createTasks(Array.from({ length: 20 }, () => ({ task: work })))
    const taskIds = [guarded, ...pending].map(({ taskId }) => taskId)
    const { results } = await manager.bulk({ action: 'cancel', taskIds })
    expect(results).toEqual([
      { taskId: guarded.taskId, ok: false, code: 'CANCEL_PENDING' },
      ...pending.map(({ taskId }) => ({ taskId, ok: true, wasPending: true })),
    ])
    finish.open()
    expect(await manager.waitFor(guarded.taskId)).toMatchObject({ status: 'cancelled' })
  })

  test('by the host keeps a pending task from being run afterwards', async () => {
    const { task } = createTaskRegistry()
    let ran = 0
    const work = task('work')(() => {
      ran += 1
    })
    const { manager } = engines.start([work], SETTINGS)
    const { taskId } = await manager.createTask(work, undefined, { delayMs: 600_000 })
    const release = await hold(host, 'select from async_tasks where task_id = $1 for update', [taskId])
    await expect(manager.cancelTask(taskId)).rejects.toMatchObject({ code: 'CANCEL_PENDING' })
    await release()
    await expect.poll(async () => (await manager.getTask(taskId))?.status).toBe('cancelled')
    expect(ran).toBe(0)
    // A retry by hand is asked for later: the cancel no longer counts.
    await manager.retryTask(taskId)
    expect(await manager.waitFor(taskId)).toMatchObject({ status: 'completed' })
  })
})
