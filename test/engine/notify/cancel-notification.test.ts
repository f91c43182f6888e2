import { describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { decodeNotification, encodeNotification } from '../../../src/engine/notify/notifications.ts'
import { aborted, createGate, createObedientTask } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'
import { captureStatements } from '../../support/plans.ts'
import { listening } from './listening.ts'

const engines = useEngines()
/** Without a hint nothing would be found within the time of a test. */
const deafOtherwise = { pollIntervalMs: 60_000, heartbeatIntervalMs: 60_000, leaseMs: 600_000 }
const hears = { hears: true }

describe('notifications of cancels', () => {
  test('carry a cancel to the process that runs the task', async () => {
    const { work, started, heard } = createObedientTask()
    const worker = engines.start([work], deafOtherwise, hears)
    await listening(engines, worker)
    const other = engines.create([work], deafOtherwise, hears)
    const { taskId } = await other.manager.createTask(work)
    await started
    await other.manager.cancelTask(taskId)
    await heard
  })

  test('carry a bulk cancel in a few messages, to every handler that it is for', async () => {
    const { task } = createTaskRegistry()
    const COUNT = 300
    const started = createGate()
    let running = 0
    let heard = 0
    const work = task('work')(async (_params, { signal }) => {
      running += 1
      if (running === COUNT) started.open()
      await aborted(signal)
      heard += 1
    })
    const worker = engines.start([work], { ...deafOtherwise, concurrency: COUNT }, hears)
    await listening(engines, worker)
    const other = engines.create([work], deafOtherwise, hears)
    const created = await other.manager.createTasks(Array.from({ length: COUNT }, () => ({ task: work })))
    await started.opened
    const taskIds = created.map(({ taskId }) => taskId)
    const statements = await captureStatements(engines.database.pool, async () => {
      const { results } = await other.manager.bulk({ action: 'cancel', taskIds })
      expect(results.every(({ ok }) => ok)).toBe(true)
      await expect.poll(() => heard).toBe(COUNT)
    })
    const sent = statements.filter(({ values }) => String(values[0]).startsWith('cancelled'))
    expect(sent).toHaveLength(Math.ceil(COUNT / 128))
  })

  test('of a cancel fit into a payload at their largest, and are decoded as they were encoded', async () => {
    const longest = { taskId: `task_${'x'.repeat(45)}`, attempt: 2_147_483_647 }
    const payload = encodeNotification({
      kind: 'cancelled',
      runs: Array.from({ length: 128 }, () => longest),
    })
    await engines.database.pool.query(`select pg_notify('anywhere', $1)`, [payload])
    expect(decodeNotification(payload)).toMatchObject({
      kind: 'cancelled',
      runs: { length: 128, 127: longest },
    })
    // As a process of an earlier version sends it.
    expect(decodeNotification('cancelled task_1 7')).toEqual({
      kind: 'cancelled',
      runs: [{ taskId: 'task_1', attempt: 7 }],
    })
    for (const foreign of ['', 'cancelled', 'cancelled task_1', 'cancelled task_1 x', 'cancelled  1 2 3']) {
      expect(decodeNotification(foreign)).toBeUndefined()
    }
  })
})
