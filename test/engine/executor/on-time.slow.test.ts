import { describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { TaskOptions } from '../../../src/engine/definition/task.ts'
import { createEngine, createGate, nextEvent } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'
import { captureStatements } from '../../support/plans.ts'
import { slowPool } from '../../support/slow-pool.ts'

const engines = useEngines()
/** A task that is found by polling starts after the test's patience. */
const deafOtherwise = {
  pollIntervalMs: 60_000,
  heartbeatIntervalMs: 60_000,
  leaseMs: 600_000,
  retryBaseMs: 300,
}
const hears = { hears: true }
const PATIENCE_MS = 30_000
const SHORT_MS = 300

const isClaim = ({ text }: { text: string }) => text.includes('/* tasks_claim')

function defineWork(options: TaskOptions = {}, types = 1) {
  const { task } = createTaskRegistry()
  const others = Array.from({ length: types - 1 }, (_, i) => task(`other${i}`)(() => {}))
  const work = task(
    'work',
    options,
  )((_params, ctx) => {
    if (ctx.attempt === 1 && options.maxRetries) throw new Error('not yet')
  })
  return { work, all: [work, ...others] }
}

describe.each<[kind: string, options: TaskOptions, types: number]>([
  ['a free type', {}, 1],
  ['a type with a limit over all processes', { globalConcurrency: 1 }, 1],
  ['one of many types', {}, 20],
  ['one of many types with a limit', { globalConcurrency: 1 }, 20],
])('without a poll, a task of %s starts when it is due', (_kind, options, types) => {
  test('created here', async () => {
    const { all, work } = defineWork(options, types)
    const { manager } = engines.start(all, deafOtherwise)
    const made = await manager.createTask(work, {}, { delayMs: SHORT_MS })
    await expectOnTime(manager.waitFor(made.taskId, { timeoutMs: PATIENCE_MS }))
  })

  test('created in another process', async () => {
    const { all, work } = defineWork(options, types)
    const worker = engines.start(all, deafOtherwise, hears)
    const { manager } = engines.create(all, deafOtherwise, hears)
    // When the first one ends, the worker is listening.
    for (let i = 0; i < 2; i += 1) {
      const made = await manager.createTask(work, {}, i === 0 ? {} : { delayMs: SHORT_MS })
      await expectOnTime(worker.manager.waitFor(made.taskId, { timeoutMs: PATIENCE_MS }))
    }
  })

  test('retried', async () => {
    const { all, work } = defineWork({ ...options, maxRetries: 1 }, types)
    const { manager } = engines.start(all, deafOtherwise)
    const made = await manager.createTask(work)
    const ended = await expectOnTime(manager.waitFor(made.taskId, { timeoutMs: PATIENCE_MS }))
    expect(ended.attempts).toHaveLength(2)
  })
})

test('a task that is created while the first claim is on its way starts when it is due', async () => {
  const { all, work } = defineWork()
  const sent = createGate()
  const answer = createGate()
  const pool = slowPool(engines.database.pool, async (query, send) => {
    const result = await send()
    if (isClaim(query)) {
      sent.open()
      await answer.opened
    }
    return result
  })
  const { executor, manager } = createEngine({ ...engines.database, pool }, all, deafOtherwise)
  executor.start()
  try {
    await sent.opened
    const made = await manager.createTask(work, {}, { delayMs: SHORT_MS })
    answer.open()
    await expectOnTime(manager.waitFor(made.taskId, { timeoutMs: PATIENCE_MS }))
  } finally {
    await executor.stop()
  }
})

test('a task starts at the due time that another process has given it, earlier or later', async () => {
  const { work } = defineWork()
  const worker = engines.start([work], deafOtherwise, hears)
  const { manager } = engines.create([work], deafOtherwise, hears)
  await worker.manager.waitFor((await manager.createTask(work)).taskId, { timeoutMs: PATIENCE_MS })
  const early = await manager.createTask(work, {}, { delayMs: 3_600_000 })
  const late = await manager.createTask(work, {}, { delayMs: SHORT_MS })
  const now = await databaseNow()
  await manager.updateTask(late.taskId, { runAt: new Date(now + 3 * SHORT_MS) })
  await manager.updateTask(early.taskId, { runAt: new Date(now + 2 * SHORT_MS) })
  const ended = [early, late].map(({ taskId }) => worker.manager.waitFor(taskId, { timeoutMs: PATIENCE_MS }))
  for (const one of ended) await expectOnTime(one)
})

test('a task starts once, when its last replacement is due, with what that brought', async () => {
  const runs: unknown[] = []
  const work = createTaskRegistry().task('work')((params) => void runs.push(params))
  const worker = engines.start([work], deafOtherwise, hears)
  const { manager } = engines.create([work], deafOtherwise, hears)
  await worker.manager.waitFor((await manager.createTask(work)).taskId, { timeoutMs: PATIENCE_MS })
  const replace = (n: number, delayMs: number) =>
    manager.createTask(work, { n }, { uniqueKey: 'k', onDuplicate: 'replace', delayMs })
  await replace(1, 3_600_000)
  const { taskId } = await replace(2, SHORT_MS)
  for (let n = 3; n < 10; n += 1)
    expect(await replace(n, 2 * SHORT_MS)).toMatchObject({ taskId, replaced: true })
  await expectOnTime(worker.manager.waitFor(taskId, { timeoutMs: PATIENCE_MS }))
  expect(runs).toEqual([{}, { n: 9 }])
})

test('a task that is locked when it is due starts when its lock is gone', async () => {
  const { work } = defineWork()
  const { manager } = engines.start([work], deafOtherwise)
  const { taskId, runAt } = await manager.createTask(work, {}, { delayMs: SHORT_MS })
  const client = await engines.database.pool.connect()
  try {
    await client.query('begin')
    await client.query('select from async_tasks where task_id = $1 for update', [taskId])
    await expect.poll(databaseNow, { interval: 20 }).toBeGreaterThan(+runAt + 200)
    await client.query('commit')
  } finally {
    client.release()
  }
  await expectOnTime(manager.waitFor(taskId, { timeoutMs: PATIENCE_MS }))
})

test('tasks that cannot start wake nobody: of a paused type, or above a limit', async () => {
  const { task } = createTaskRegistry()
  const released = Promise.withResolvers<void>()
  const one = task('one', { globalConcurrency: 1 })(() => released.promise)
  const paused = task('paused')(() => {})
  const free = task('free')(() => {})
  const { manager, events } = engines.start([one, paused, free], { ...deafOtherwise, concurrency: 4 })
  await manager.pauseTaskType('paused')
  await manager.createTasks([{ task: one }, { task: one }, { task: paused }])
  await manager.createTasks([1, 2, 3].map((n) => ({ task: paused, delayMs: n * 100 })))
  const statements = await captureStatements(engines.database.pool, async () => {
    const ended = nextEvent(events, 'ended', ({ taskType }) => taskType === 'free')
    await manager.createTask(free, {}, { delayMs: 1_000 })
    await ended
  })
  expect(statements.filter(isClaim).length).toBeLessThanOrEqual(8)
  released.resolve()
})

test('a delay of weeks is no short one', async () => {
  const { work } = defineWork()
  const { manager, events } = engines.start([work], deafOtherwise)
  await manager.createTask(work, {}, { delayMs: 2 ** 31 + 1_000 })
  const statements = await captureStatements(engines.database.pool, async () => {
    const ended = nextEvent(events, 'ended')
    await manager.createTask(work, {}, { delayMs: SHORT_MS })
    await ended
  })
  expect(statements.filter(isClaim).length).toBeLessThanOrEqual(5)
})

async function expectOnTime<T extends { startedAt: Date | null; runAt: Date }>(ended: Promise<T>) {
  const task = await ended
  const lateMs = Number(task.startedAt) - Number(task.runAt)
  expect(lateMs).toBeGreaterThanOrEqual(0)
  expect(lateMs).toBeLessThan(PATIENCE_MS)
  return task
}

async function databaseNow(): Promise<number> {
  const { rows } = await engines.database.pool.query<{ now: Date }>('select clock_timestamp() as now')
  return Number(rows[0]?.now)
}
