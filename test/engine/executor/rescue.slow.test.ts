import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { createGate, nextEvent } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'

const engines = useEngines()
const fast = { heartbeatIntervalMs: 100, leaseMs: 2_000, pollIntervalMs: 50 }

describe('rescue', () => {
  test('the tasks of a dead executor run again, one retry spent; those of living ones are left alone', async () => {
    const { task } = createTaskRegistry()
    const busy = createGate()
    const runs: string[] = []
    const work = task('work')(async (_params, ctx) => {
      runs.push(`${ctx.taskId} ${ctx.attempt}`)
      if (ctx.attempt === 1) await busy.opened
      return 'again'
    })
    const { manager, events, executor } = engines.create([work], fast)
    const orphan = await manager.createTask(work)
    const poison = await manager.createTask(work, {}, { maxRetries: 0 })
    const deadId = await abandon([orphan.taskId, poison.taskId], { heartbeatAge: '10 seconds' })

    const other = engines.start([work], { ...fast, leaseMs: 60_000, concurrency: 1 })
    const started = nextEvent(other.events, 'started')
    const living = await manager.createTask(work)
    expect(await started).toMatchObject({ taskId: living.taskId })

    const rescued = nextEvent(events, 'rescued')
    executor.start()
    expect((await rescued).tasks).toHaveLength(2)
    expect(await manager.waitFor(orphan.taskId)).toMatchObject({
      status: 'completed',
      retryCount: 1,
      result: 'again',
    })
    const ended = await manager.getTask(orphan.taskId)
    expect(ended?.attempts).toMatchObject([
      { attempt: 1, outcome: 'lost', error: 'attempt 1 was lost: its executor died', executorId: deadId },
      { attempt: 2, outcome: 'completed', executorId: executor.id },
    ])
    // A task that kills its process each time must end.
    expect(await manager.getTask(poison.taskId)).toMatchObject({ status: 'failed', retryCount: 0 })
    expect(await manager.getTask(living.taskId)).toMatchObject({ status: 'running', retryCount: 0 })
    expect(runs).toEqual([`${living.taskId} 1`, `${orphan.taskId} 2`])
    busy.open()
    await manager.waitFor(living.taskId)
  })

  test('the tasks of an executor without a row are left alone for a lease, and then run again', async () => {
    const { task } = createTaskRegistry()
    const work = task('work')(() => 'again')
    const { manager, events, executor } = engines.create([work], { ...fast, heartbeatIntervalMs: 200 })
    const { taskId } = await manager.createTask(work)
    await abandon([taskId], { heartbeatAge: null })
    const rescued = nextEvent(events, 'rescued')
    const begun = performance.now()
    executor.start()
    expect((await rescued).tasks).toMatchObject([{ taskId, attempt: 1, status: 'pending' }])
    // One lease until it may judge others, and one in which a living executor would have made its row again.
    expect(performance.now() - begun).toBeGreaterThanOrEqual(2 * fast.leaseMs)
    expect(await manager.waitFor(taskId)).toMatchObject({ retryCount: 1, result: 'again' })
  })

  test('an executor whose own heartbeats have not succeeded for a lease rescues no tasks', async () => {
    const { task } = createTaskRegistry()
    const work = task('work')(() => {})
    const { manager, executor, events } = engines.create([work], { ...fast, leaseMs: 60_000 })
    const orphan = await manager.createTask(work)
    await abandon([orphan.taskId], { heartbeatAge: '1 hour' })
    executor.start()
    const fresh = await manager.createTask(work)
    await nextEvent(events, 'ended')
    await expect.poll(async () => (await manager.listExecutors())[1]?.heartbeatAgeMs).toBeLessThan(100)
    expect(await manager.getTask(fresh.taskId)).toMatchObject({ status: 'completed' })
    expect(await manager.getTask(orphan.taskId)).toMatchObject({
      status: 'running',
      attempts: [{ attempt: 1 }],
    })
  })

  test('an executor whose heartbeats do not go through claims nothing that others would rescue at once', async () => {
    const { task } = createTaskRegistry()
    const runs: string[] = []
    const work = task('work')((_params, ctx) => {
      runs.push(`${ctx.taskId} ${ctx.attempt}`)
    })
    // Half of the lease is what a create may take, on a slow machine and through a pooler, too.
    const { manager, executor, events } = engines.start([work], { ...fast, leaseMs: 6_000 })
    const first = await manager.createTask(work)
    await nextEvent(events, 'ended')
    const blocker = await engines.database.pool.connect()
    await blocker.query('begin')
    await blocker.query('select 1 from async_task_executors where executor_id = $1 for update', [executor.id])
    await expect
      .poll(async () => (await manager.listExecutors())[0])
      .toMatchObject({ id: executor.id, alive: false })
    const second = await manager.createTask(work)
    const passed = () => executor.health().loops.find(({ loop }) => loop === 'poller')?.sinceLastPassMs
    await expect.poll(passed).toBeLessThan(20)
    expect(await manager.getTask(second.taskId)).toMatchObject({ status: 'pending', attempts: [] })
    await blocker.query('commit')
    blocker.release()
    expect(await manager.waitFor(second.taskId)).toMatchObject({ status: 'completed', retryCount: 0 })
    expect(runs).toEqual([`${first.taskId} 1`, `${second.taskId} 1`])
  })

  test('a row that the database refuses to change keeps no executor from its claims and rescues', async () => {
    const { task } = createTaskRegistry()
    const work = task('work')(() => 'again')
    const { manager, events, executor } = engines.create([work], { ...fast, heartbeatIntervalMs: 500 })
    const orphan = await manager.createTask(work)
    await abandon([orphan.taskId], { heartbeatAge: '10 seconds' })
    const later = { delayMs: 3_600_000 }
    const requested = await manager.createTask(work, {}, later)
    const expired = await manager.createTask(
      work,
      {},
      { ...later, expiresAt: new Date(Date.now() + 7_200_000) },
    )
    const { pool } = engines.database
    await pool.query(`alter table async_tasks add constraint host_rule check (status <> 'cancelled')`)
    await pool.query('insert into async_task_cancel_requests (task_id) values ($1)', [requested.taskId])
    await pool.query('update async_tasks set expires_at = now() where task_id = $1', [expired.taskId])
    const refused = nextEvent(events, 'loopFailed', ({ loop }) => loop === 'rescuer')
    executor.start()
    expect(await refused).toMatchObject({ error: { code: '23514' } })
    const created = await manager.createTask(work)
    expect(await manager.waitFor(created.taskId)).toMatchObject({ status: 'completed' })
    expect(await manager.waitFor(orphan.taskId)).toMatchObject({ status: 'completed', retryCount: 1 })
  })

  test('an orphaned claim is released, no retry spent', async () => {
    const { task } = createTaskRegistry()
    const held = createGate()
    const started = createGate()
    const work = task('work')(async (_params, ctx) => {
      if (ctx.attempt === 2) return 'second'
      started.open()
      await held.opened
      return 'first'
    })
    const { manager, executor, events } = engines.start([work], fast)
    const running = await manager.createTask(work)
    await started.opened
    const lost = await manager.createTask(work, {}, { runAt: new Date(Date.now() + 3_600_000) })
    const handedBack = nextEvent(events, 'orphansReleased')
    // What a claim leaves behind when its answer is lost.
    await engines.database.pool.query(
      `update async_tasks set status = 'running', attempt = 1, started_at = now(), executor_id = $1 where task_id = $2`,
      [executor.id, lost.taskId],
    )
    expect(await handedBack).toEqual({ taskIds: [lost.taskId] })
    expect(await manager.waitFor(lost.taskId)).toMatchObject({
      status: 'completed',
      retryCount: 0,
      result: 'second',
    })
    expect(await manager.getTask(running.taskId)).toMatchObject({ status: 'running', retryCount: 0 })
    held.open()
    expect(await manager.waitFor(running.taskId)).toMatchObject({ result: 'first' })
  })

  test('a zombie keeps its slot beside the new attempt of its own task, and neither is taken for the other', async () => {
    const { task } = createTaskRegistry()
    const leave = [createGate(), createGate()]
    const running: number[] = []
    const signals = new Map<number, AbortSignal>()
    const deaf = task('deaf')(async (_params, ctx) => {
      running.push(ctx.attempt)
      signals.set(ctx.attempt, ctx.signal)
      await leave[ctx.attempt - 1]?.opened
      return ctx.attempt
    })
    const { manager, executor } = engines.start([deaf], { ...fast, concurrency: 2 })
    const { taskId } = await manager.createTask(deaf)
    await expect.poll(() => running).toEqual([1])
    // Somebody took it for dead, and put its task back.
    await engines.database.pool.query(
      `update async_tasks set status = 'pending', executor_id = null, run_at = now() where task_id = $1`,
      [taskId],
    )
    await expect.poll(() => running).toEqual([1, 2])
    await expect.poll(() => signals.get(1)?.aborted).toBe(true)
    expect(executor.health().running).toBe(2)
    leave[0]?.open()
    await expect.poll(() => executor.health().running).toBe(1)
    expect(signals.get(2)?.aborted).toBe(false)
    leave[1]?.open()
    expect(await manager.waitFor(taskId)).toMatchObject({ status: 'completed', result: 2 })
  })

  /** Tasks as an executor leaves them that was killed: running in its name. Null: its row is gone, too. */
  async function abandon(
    taskIds: string[],
    { heartbeatAge }: { heartbeatAge: string | null },
  ): Promise<string> {
    const executorId = randomUUID()
    const { pool } = engines.database
    await pool.query(
      `insert into async_task_executors (executor_id, host, pid, version, slots, task_types, lease_ms, heartbeat_at)
       select $1, 'gone', 1, 'test', 2, '{work}', 600, now() - $2::interval where $2::interval is not null`,
      [executorId, heartbeatAge],
    )
    await pool.query(
      `update async_tasks set status = 'running', attempt = 1, started_at = now(), executor_id = $1
        where task_id = any($2)`,
      [executorId, taskIds],
    )
    return executorId
  }
})
