import { describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../../src/tasks/registry.ts'
import { createGate, nextEvent } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'

const engines = useEngines()

describe('unknown types', () => {
  const fast = { heartbeatIntervalMs: 100, leaseMs: 500, pollIntervalMs: 50 }

  test('a due task whose type nobody has registered fails after a lease, with the type and without a retry', async () => {
    const { task } = createTaskRegistry()
    const known = task('known')(() => 'ran')
    const { manager, events } = engines.start([known], fast)
    const failed = nextEvent(events, 'unknownTypeFailed')
    const begun = performance.now()
    const { taskId } = await manager.createTask('nobody_knows', { a: 1 })
    const later = await manager.createTask('nobody_knows', {}, { runAt: new Date(Date.now() + 3_600_000) })
    expect(await failed).toEqual({ taskId, taskType: 'nobody_knows' })
    expect(performance.now() - begun).toBeGreaterThan(500)
    const ended = await manager.getTask(taskId)
    expect(ended).toMatchObject({ status: 'failed', retryCount: 0, attempts: [] })
    expect(ended?.error).toMatch(/^UNKNOWN_TASK_TYPE.*'nobody_knows'/)
    expect(await manager.getTask(later.taskId)).toMatchObject({ status: 'pending' })
  })

  test('a type that another living executor has registered is left to it', async () => {
    const { task } = createTaskRegistry()
    const busy = createGate()
    const started = createGate()
    const mine = task('mine')(() => {})
    const theirs = task('theirs')(async () => {
      started.open()
      await busy.opened
    })
    const { manager } = engines.start([mine], fast)
    engines.start([theirs], { ...fast, concurrency: 1 })
    await manager.createTask('theirs')
    await started.opened
    const waiting = await manager.createTask('theirs')
    const unknown = await manager.createTask('nobody_knows')
    expect(await manager.waitFor(unknown.taskId)).toMatchObject({ status: 'failed' })
    expect(await manager.getTask(waiting.taskId)).toMatchObject({ status: 'pending' })
    busy.open()
    expect(await manager.waitFor(waiting.taskId)).toMatchObject({ status: 'completed' })
  })
})
