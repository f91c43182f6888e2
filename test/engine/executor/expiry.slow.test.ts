import { describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { createGate, nextEvent } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'

const engines = useEngines()
const soon = () => new Date(Date.now() + 1_500)

describe('a task with expiresAt', () => {
  test('that no slot was free for is never started, and ends cancelled', async () => {
    const { task } = createTaskRegistry()
    const gate = createGate()
    const started: unknown[] = []
    const wait = task('wait')(async ({ name }) => {
      started.push(name)
      if (name === 'holds the slot') await gate.opened
    })
    const { manager, events } = engines.start([wait], { concurrency: 1, heartbeatIntervalMs: 100 })
    const startedFirst = nextEvent(events, 'started')
    const first = await manager.createTask(wait, { name: 'holds the slot' })
    await startedFirst
    const second = await manager.createTask(wait, { name: 'late' }, { expiresAt: soon(), priority: 5 })
    const cancelled = nextEvent(events, 'cancelled')
    const ended = await manager.waitFor(second.taskId)
    expect(ended).toMatchObject({ status: 'cancelled', error: 'expired', attempts: [] })
    expect(ended.cancelledAt?.getTime()).toBeGreaterThanOrEqual(second.expiresAt?.getTime() ?? Number.NaN)
    expect(await cancelled).toEqual({
      taskId: second.taskId,
      taskType: 'wait',
      attempt: 0,
      wasPending: true,
      reason: 'expired',
    })
    gate.open()
    expect((await manager.waitFor(first.taskId)).status).toBe('completed')
    expect(started).toEqual(['holds the slot'])
  })

  test('that runs then goes on', async () => {
    const { task } = createTaskRegistry()
    const gate = createGate()
    const run = task('run')(() => gate.opened)
    const { manager } = engines.start([run], { concurrency: 2, heartbeatIntervalMs: 100 })
    const expiresAt = soon()
    const { taskId } = await manager.createTask(run, {}, { expiresAt })
    // Another one that expires with it shows that this is over.
    await manager.createTask(run, {}, { uniqueKey: 'k' })
    const other = await manager.createTask(run, {}, { expiresAt })
    await manager.waitFor(other.taskId)
    expect(await manager.getTask(taskId)).toMatchObject({ status: 'running' })
    gate.open()
    expect((await manager.waitFor(taskId)).status).toBe('completed')
  })

  test('is not retried after it', async () => {
    const { task } = createTaskRegistry()
    const broken = task('broken', { retryBaseMs: 3_600_000 })(() => {
      throw new Error('no luck')
    })
    const { manager } = engines.start([broken], { heartbeatIntervalMs: 100 })
    const { taskId } = await manager.createTask(broken, {}, { expiresAt: soon() })
    const ended = await manager.waitFor(taskId)
    expect(ended).toMatchObject({ status: 'cancelled', error: 'expired', retryCount: 1 })
    expect(ended.attempts).toMatchObject([{ outcome: 'failed', error: 'no luck' }])
  })
})

test('a task that is to run now starts at once, here and in another process', async () => {
  const { task } = createTaskRegistry()
  const quick = task('quick')(() => {})
  const slowPolls = { pollIntervalMs: 60_000 }
  const runner = engines.start([quick], slowPolls, { hears: true })
  const other = engines.create([quick], slowPolls, { hears: true })
  const first = await runner.manager.createTask(quick)
  await runner.manager.waitFor(first.taskId)
  for (const { manager } of [runner, other]) {
    const { taskId } = await manager.createTask(quick, {}, { delayMs: 3_600_000 })
    const started = nextEvent(runner.events, 'started', (event) => event.taskId === taskId)
    await manager.runNow(taskId)
    await started
    const again = await manager.createTask(quick, {}, { delayMs: 3_600_000 })
    const startedToo = nextEvent(runner.events, 'started', (event) => event.taskId === again.taskId)
    await manager.updateTask(again.taskId, { runAt: new Date('2024-01-01T00:00:00Z') })
    await startedToo
  }
})
