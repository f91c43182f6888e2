import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { createEngine, createGate } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'
import { slowPool } from '../../support/slow-pool.ts'

const engines = useEngines()
const SLOTS = 20
const TASKS = 900

test.each([
  ['close', 0],
  ['far', 20],
])(
  'on a %s database, tasks that take no time are claimed for all slots, also after one took longer',
  async (_where, ms) => {
    const { database } = engines
    let claimed: number[] = []
    const pool = slowPool(database.pool, async ({ text }, send) => {
      if (ms > 0) await delay(ms)
      const result = await send()
      if (text.includes('/* tasks_claim')) claimed.push(result.rows.filter(({ id }) => id !== null).length)
      return result
    })
    const { task } = createTaskRegistry()
    const isOver = createGate()
    const long = task('long')(() => isOver.opened)
    const short = task('short')(() => {})
    const { manager, executor, events } = createEngine({ ...database, pool }, [long, short], {
      concurrency: SLOTS,
    })
    let ended = 0
    const allEnded = createGate()
    events.on('ended', ({ taskType }) => {
      ended += 1
      if (ended === TASKS / 3) isOver.open()
      if (taskType === 'long') claimed = []
      if (ended === TASKS + 1) allEnded.open()
    })
    await manager.createTask(long, {}, { priority: 1 })
    await manager.createTasks(Array.from({ length: TASKS }, () => ({ task: short, params: {} })))
    executor.start()
    await allEnded.opened
    await executor.stop()
    const tasks = claimed.reduce((sum, count) => sum + count, 0)
    expect(tasks).toBeGreaterThan(TASKS / 3)
    expect(tasks / claimed.filter((count) => count > 0).length).toBeGreaterThan(0.8 * SLOTS)
  },
)
