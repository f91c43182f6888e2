import { expect, test } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { TaskSettingsInput } from '../../../src/engine/definition/settings.ts'
import { aborted, createGate, nextEvent } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'

const engines = useEngines()
const calm = { heartbeatIntervalMs: 20_000, leaseMs: 60_000, pollIntervalMs: 50, concurrency: 3 }

/** As after a failover that lost the claim: the row waits as it did before it. */
const LOSE_CLAIM = `update async_tasks
  set status = 'pending', attempt = 0, executor_id = null, started_at = null where task_id = $1`

function start(settings: TaskSettingsInput = {}) {
  const { task } = createTaskRegistry()
  const gate = createGate()
  const signals: AbortSignal[] = []
  let most = 0
  let running = 0
  const work = task('work')(async (_params, ctx) => {
    signals.push(ctx.signal)
    running += 1
    most = Math.max(most, running)
    if (ctx.attempt === 1) await gate.opened
    running -= 1
    return ctx.attempt
  })
  const engine = engines.start([work], { ...calm, ...settings })
  const create = async () => {
    const started = nextEvent(engine.events, 'started')
    const { taskId } = await engine.manager.createTask(work)
    await started
    return taskId
  }
  const loseClaim = (taskId: string) => engines.database.pool.query(LOSE_CLAIM, [taskId])
  return { ...engine, gate, signals, create, loseClaim, most: () => most }
}

const RAN_AGAIN = {
  status: 'completed',
  result: 2,
  retryCount: 0,
  attempts: [
    { attempt: 1, outcome: 'interrupted' },
    { attempt: 2, outcome: 'completed' },
  ],
}

test('a run whose claim is lost and repeated is aborted, and its task runs after it, no retry spent', async () => {
  const { manager, gate, signals, create, loseClaim, most } = start()
  const taskId = await create()
  await loseClaim(taskId)
  await expect.poll(() => signals[0]?.aborted).toBe(true)
  expect(signals[0]?.reason).toMatchObject({ name: 'AbortError' })
  gate.open()
  expect(await manager.waitFor(taskId)).toMatchObject(RAN_AGAIN)
  expect(most()).toBe(1)
})

test('so is one that a heartbeat had found lost before', async () => {
  const { manager, gate, signals, create, loseClaim, most } = start({
    heartbeatIntervalMs: 50,
    leaseMs: 20_000,
  })
  const taskId = await create()
  await manager.pauseTaskType('work')
  await loseClaim(taskId)
  await aborted(signals[0] as AbortSignal)
  await manager.resumeTaskType('work')
  await expect.poll(async () => (await manager.getTask(taskId))?.status).toBe('running')
  gate.open()
  expect(await manager.waitFor(taskId)).toMatchObject(RAN_AGAIN)
  expect(most()).toBe(1)
})

test('one that ignores its signal holds the task for its grace, and changes nothing afterwards', async () => {
  const { manager, events, gate, create, loseClaim } = start({ cancelGraceMs: 100 })
  const taskId = await create()
  const stuck = nextEvent(events, 'stuck')
  await loseClaim(taskId)
  await stuck
  expect(await manager.waitFor(taskId)).toMatchObject(RAN_AGAIN)
  gate.open()
  const other = await create()
  await manager.waitFor(other)
  expect(await manager.getTask(taskId)).toMatchObject(RAN_AGAIN)
})

test('a stop releases the task of a run that was claimed twice', async () => {
  const { manager, executor, signals, create, loseClaim } = start({ shutdownTimeoutMs: 20_000 })
  const taskId = await create()
  await loseClaim(taskId)
  await aborted(signals[0] as AbortSignal)
  await executor.stop()
  expect(await manager.getTask(taskId)).toMatchObject({ status: 'pending', retryCount: 0 })
})
