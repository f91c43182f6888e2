import { setTimeout as delay } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { TaskManager } from '../../../src/engine/manager/manager.ts'
import { createEngine, nextEvent } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'
import { slowPool } from '../../support/slow-pool.ts'

const engines = useEngines()
const { task } = createTaskRegistry()
const work = task('work')(() => 'done')
const LONG_AGO = new Date('2024-01-01T00:00:00Z')

/** Without a notification, a task would be found after the test's patience. */
const deafOtherwise = {
  concurrency: 5,
  pollIntervalMs: 60_000,
  heartbeatIntervalMs: 60_000,
  leaseMs: 600_000,
}
const hears = { hears: true }

/** An executor whose claims are slow: it reads only recently due tasks. */
async function startReadingRecent(other: TaskManager) {
  const pool = slowPool(engines.database.pool, async ({ text }, send) => {
    if (text.includes('/* tasks_claim */')) await delay(100)
    return send()
  })
  const engine = createEngine({ ...engines.database, pool }, [work], deafOtherwise, hears)
  engine.executor.start()
  for (let i = 0; i < 4; i += 1) {
    const ended = nextEvent(engine.events, 'ended')
    await other.createTask(work)
    await ended
  }
  return engine
}

test.each<[what: string, make: (manager: TaskManager) => Promise<{ taskId: string }>]>([
  ['created with a due time', (manager) => manager.createTask(work, {}, { runAt: LONG_AGO })],
  [
    'given a due time',
    async (manager) => {
      const { taskId } = await manager.createTask(work, {}, { delayMs: 3_600_000 })
      return manager.updateTask(taskId, { runAt: LONG_AGO })
    },
  ],
])('a task that another process has %s in the past starts at once', async (_what, make) => {
  const { manager } = engines.create([work], deafOtherwise, hears)
  const worker = await startReadingRecent(manager)
  try {
    const { taskId } = await make(manager)
    expect(await worker.manager.waitFor(taskId, { timeoutMs: 30_000 })).toMatchObject({ result: 'done' })
  } finally {
    await worker.executor.stop()
  }
})

test('a task that is due by the clock of the database starts at once, also if its creator has another time', async () => {
  // The creator's clock is an hour behind.
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 3_600_000 })
  try {
    const { manager } = engines.start([work], deafOtherwise)
    const options = { timeoutMs: 30_000 }
    await manager.waitFor((await manager.createTask(work)).taskId, options)
    const { taskId } = await manager.createTask(work, {}, { runAt: new Date(Date.now() + 60_000) })
    expect(await manager.waitFor(taskId, options)).toMatchObject({ result: 'done' })
  } finally {
    vi.useRealTimers()
  }
})
