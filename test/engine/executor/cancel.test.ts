import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { aborted, createGate, createObedientTask, nextEvent } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'

const engines = useEngines()

describe('cancel', () => {
  test("reaches the running handler's signal, and nothing it does afterwards changes anything", async () => {
    const { task } = createTaskRegistry()
    const started = createGate()
    const finish = createGate()
    const returned = createGate()
    let reason: unknown
    const work = task('work')(async (_params, ctx) => {
      ctx.progress(1, 10, 'before')
      for (let i = 1; i <= 5; i += 1) ctx.log.info(`line ${i}`)
      started.open()
      await aborted(ctx.signal)
      reason = ctx.signal.reason
      ctx.progress(9, 10, 'after')
      ctx.log.info('after the cancel')
      await finish.opened
      queueMicrotask(returned.open)
      return 'finished all the same'
    })
    const { manager, events } = engines.start([work])
    const { taskId } = await manager.createTask(work)
    await started.opened
    const cancelled = await manager.cancelTask(taskId)
    expect(cancelled).toMatchObject({ status: 'cancelled', completedAt: null })
    expect(cancelled.cancelledAt).toBeInstanceOf(Date)
    expect(reason).toMatchObject({ name: 'AbortError' })

    // Its handler has not returned: the task cannot be retried.
    await expect(manager.retryTask(taskId)).rejects.toMatchObject({ code: 'TASK_STILL_STOPPING' })
    finish.open()
    await returned.opened
    await expect.poll(() => stopping(taskId)).toBe(false)

    // Lines of before the cancel are all kept, later ones dropped.
    const { logs } = await manager.listLogs(taskId)
    expect(logs.map((line) => line.message)).toEqual(['line 1', 'line 2', 'line 3', 'line 4', 'line 5'])
    const after = await manager.getTask(taskId)
    expect(after).toMatchObject({ status: 'cancelled', result: null, error: null })
    expect(after?.progress).not.toBe(9)
    expect(after?.attempts).toMatchObject([{ attempt: 1, outcome: 'cancelled' }])
    expect((await manager.cancelTask(taskId)).status).toBe('cancelled')

    const again = nextEvent(events, 'started')
    expect(await manager.retryTask(taskId)).toMatchObject({
      status: 'pending',
      cancelledAt: null,
      retryCount: 0,
    })
    expect(await again).toMatchObject({ taskId, attempt: 2 })
    await manager.cancelTask(taskId)
  })

  test('a pending task never runs', async () => {
    const { task } = createTaskRegistry()
    let ran = false
    const work = task('work')(() => {
      ran = true
    })
    const { manager, executor, events } = engines.create([work])
    const first = await manager.createTask(work)
    const second = await manager.createTask(work)
    await manager.cancelTask(first.taskId)
    executor.start()
    await nextEvent(events, 'ended', (event) => event.taskId === second.taskId)
    expect(ran).toBe(true)
    expect(await manager.getTask(first.taskId)).toMatchObject({ status: 'cancelled', attempts: [] })
  })

  test('while a schema still checks the params keeps the handler from starting', async () => {
    const { task } = createTaskRegistry()
    const [checking, checked] = [createGate(), createGate()]
    let isSlow = false
    let ran = false
    const params = z.object({}).refine(async () => {
      if (isSlow) {
        checking.open()
        await checked.opened
      }
      return true
    })
    const work = task('work', { params })(() => {
      ran = true
    })
    const { manager, executor } = engines.create([work])
    const { taskId } = await manager.createTask(work)
    isSlow = true
    executor.start()
    await checking.opened
    await manager.cancelTask(taskId)
    checked.open()
    await expect.poll(() => stopping(taskId)).toBe(false)
    expect(ran).toBe(false)
  })

  test('while it waits for a retry ends it permanently', async () => {
    const { task } = createTaskRegistry()
    const flaky = task('flaky', { retryBaseMs: 1_000 })(() => {
      throw new Error('no')
    })
    const { manager, events } = engines.start([flaky])
    const { taskId } = await manager.createTask(flaky)
    await nextEvent(events, 'ended')
    await manager.cancelTask(taskId)
    expect(await manager.getTask(taskId)).toMatchObject({ status: 'cancelled', error: 'no', retryCount: 1 })
  })

  test('from another process arrives with the next heartbeat', async () => {
    const { work, started, heard } = createObedientTask()
    engines.start([work], { heartbeatIntervalMs: 100, leaseMs: 1_000 })
    const other = engines.create([work])
    const { taskId } = await other.manager.createTask(work)
    await started
    await other.manager.cancelTask(taskId)
    await heard
    await expect.poll(() => stopping(taskId)).toBe(false)
  })

  test('ends a wait for the task', async () => {
    const { work, started } = createObedientTask()
    const { manager } = engines.start([work])
    const { taskId } = await manager.createTask(work)
    const ended = manager.waitFor(taskId)
    await started
    await manager.cancelTask(taskId)
    expect((await ended).status).toBe('cancelled')
  })

  async function stopping(taskId: string): Promise<boolean | undefined> {
    const { rows } = await engines.database.pool.query(
      'select stopping from async_tasks where task_id = $1',
      [taskId],
    )
    return rows[0]?.stopping
  }
})
