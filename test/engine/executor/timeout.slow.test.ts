import { describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { aborted, createGate, nextEvent } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'

const engines = useEngines()

describe('timeout', () => {
  test('fires while all slots are full, as a TimeoutError', async () => {
    const { task } = createTaskRegistry()
    const reasons: string[] = []
    const slow = task('slow', { timeoutSeconds: 1, maxRetries: 0 })(async (_params, { signal }) => {
      await aborted(signal)
      reasons.push(signal.reason.name)
    })
    const { manager } = engines.start([slow], { concurrency: 2 })
    const created = await manager.createTasks(Array.from({ length: 2 }, () => ({ task: slow })))
    for (const { taskId } of created) {
      const ended = await manager.waitFor(taskId)
      expect(ended).toMatchObject({ status: 'failed', error: 'timed out after 1 s' })
      expect(ended.attempts).toMatchObject([{ attempt: 1, outcome: 'timed_out' }])
    }
    expect(reasons).toEqual(['TimeoutError', 'TimeoutError'])
  })

  test('a timed-out handler never runs beside its own retry, and what it returns late counts as a failure', async () => {
    const { task } = createTaskRegistry()
    const spans: { attempt: number; from: number; to: number }[] = []
    const leave = createGate()
    const slow = task('slow', { timeoutSeconds: 1, maxRetries: 1, retryBaseMs: 0 })(async (_params, ctx) => {
      const from = performance.now()
      if (ctx.attempt === 1) {
        await aborted(ctx.signal)
        await leave.opened
      }
      spans.push({ attempt: ctx.attempt, from, to: performance.now() })
      return `attempt ${ctx.attempt}`
    })
    const { manager, events } = engines.start([slow], { cancelGraceMs: 60_000 })
    const timedOut = nextEvent(events, 'started')
    const { taskId } = await manager.createTask(slow)
    await timedOut
    const retried = nextEvent(events, 'ended', (event) => event.retryInMs !== undefined)
    await expect.poll(async () => (await manager.listExecutors())[0]?.runningTasks).toEqual([taskId])
    leave.open()
    expect(await retried).toMatchObject({ outcome: 'timed_out', error: 'timed out after 1 s' })
    const ended = await manager.waitFor(taskId)
    expect(ended).toMatchObject({ status: 'completed', result: 'attempt 2', retryCount: 1 })
    expect(spans.map((span) => span.attempt)).toEqual([1, 2])
    expect(spans[1]?.from).toBeGreaterThanOrEqual(spans[0]?.to ?? Number.POSITIVE_INFINITY)
  })

  test('a handler that ignores the timeout is reported, its row fails after the grace, its slot stays taken', async () => {
    const { task } = createTaskRegistry()
    const leave = createGate()
    const deaf = task('deaf', { timeoutSeconds: 1, maxRetries: 3 })(async () => {
      await leave.opened
      return 'too late'
    })
    const quick = task('quick')(() => 'done')
    const { manager, executor, events } = engines.start([deaf, quick], { concurrency: 1, cancelGraceMs: 100 })
    const stuck = nextEvent(events, 'stuck')
    const { taskId } = await manager.createTask(deaf)
    expect(await stuck).toMatchObject({ taskId, forMs: 100 })
    const failed = await manager.waitFor(taskId)
    expect(failed.status).toBe('failed')
    expect(failed.error).toContain('did not return')
    expect(executor.health()).toMatchObject({ ok: true, stuck: [taskId] })

    const waiting = await manager.createTask(quick)
    await expect(manager.retryTask(taskId)).rejects.toMatchObject({ code: 'TASK_STILL_STOPPING' })
    expect((await manager.getTask(waiting.taskId))?.status).toBe('pending')

    leave.open()
    expect((await manager.waitFor(waiting.taskId)).status).toBe('completed')
    expect(failed.stopping).toBe(true)
    expect(await manager.getTask(taskId)).toEqual({ ...failed, stopping: false })
    expect((await manager.retryTask(taskId)).status).toBe('pending')
  })
})
