import type pg from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { createPool, endPool } from '../../../src/db/client.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { createGate, nextEvent } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'
import { countHeldUp } from '../../support/held-up.ts'
import { hold } from './held.ts'

const engines = useEngines()
/** Of the host's own, so that what it holds takes no connection of the engine's. */
let host: pg.Pool

beforeEach(() => {
  host = createPool({ connectionString: engines.database.directUrl, max: 4 })
})
afterEach(() => endPool(host, 5_000))

const SETTINGS = { heartbeatIntervalMs: 100, leaseMs: 10_000, retryBaseMs: 0 }

describe('a row that the host holds for update', () => {
  test('is neither retried nor deleted, nor keeps other tasks from it', async () => {
    const { task } = createTaskRegistry()
    const work = task('work')(() => {})
    const { manager } = engines.create([work], SETTINGS)
    const [one, ...others] = await manager.createTasks(Array.from({ length: 4 }, () => ({ task: work })))
    const taskIds = [one, ...others].map((created) => created?.taskId ?? '')
    const [first = ''] = taskIds
    await manager.bulk({ action: 'cancel', taskIds })
    const release = await hold(host, 'select from async_tasks where task_id = $1 for update', [first])
    await expect(manager.retryTask(first)).rejects.toMatchObject({ code: 'TASK_BUSY' })
    await expect(manager.deleteTask(first)).rejects.toMatchObject({ code: 'TASK_BUSY' })
    await expect(manager.logMessage(first, 'INFO', 'said')).rejects.toMatchObject({ code: 'TASK_BUSY' })
    const rest = taskIds.slice(1).map((taskId) => ({ taskId, ok: true }))
    const busy = { taskId: first, ok: false, code: 'TASK_BUSY' }
    expect((await manager.bulk({ action: 'retry', taskIds })).results).toEqual([busy, ...rest])
    await manager.bulk({ action: 'cancel', taskIds: taskIds.slice(1) })
    expect((await manager.bulk({ action: 'delete', taskIds })).results).toEqual([busy, ...rest])
    expect(await countHeldUp(host)).toBe(0)
    await release()
    expect(await manager.getTask(first)).toMatchObject({ status: 'cancelled' })
    expect((await manager.listLogs(first)).total).toBe(0)
    await manager.deleteTask(first)
  })

  test('holds up the lines, the progress and the end of its own run alone', async () => {
    const { task } = createTaskRegistry()
    const started = createGate()
    const finish = createGate()
    const slow = task('slow')(async (_params, ctx) => {
      started.open()
      await finish.opened
      ctx.log.info('first')
      ctx.log.info('second')
    })
    const quick = task('quick')((_params, ctx) => ctx.log.info('said'))
    const { manager } = engines.start([slow, quick], SETTINGS)
    const { taskId } = await manager.createTask(slow)
    await started.opened
    const release = await hold(host, 'select from async_tasks where task_id = $1 for update', [taskId])
    await expect(manager.updateProgress(taskId, 1, 2)).rejects.toMatchObject({ code: 'TASK_BUSY' })
    finish.open()
    for (let i = 0; i < 3; i += 1) {
      const other = await manager.createTask(quick)
      expect(await manager.waitFor(other.taskId, { timeoutMs: 4_000 })).toMatchObject({ status: 'completed' })
    }
    await release()
    expect(await manager.waitFor(taskId)).toMatchObject({ status: 'completed' })
    const { logs } = await manager.listLogs(taskId)
    expect(logs.map(({ message }) => message)).toEqual(['first', 'second'])
  })
})

test('types and schedules that the host holds are refused by name, and the other schedules tick', async () => {
  const { task } = createTaskRegistry()
  const work = task('work')(() => {})
  const { manager, events } = engines.start([work], SETTINGS)
  await manager.pauseTaskType('work')
  await manager.resumeTaskType('work')
  await manager.createSchedule({ name: 'held', cron: '* * * * * *', task: work })
  const releaseType = await hold(host, 'select from async_task_types for update')
  await expect(manager.pauseTaskType('work')).rejects.toMatchObject({ code: 'TASK_TYPE_BUSY' })
  await releaseType()
  const releaseSchedule = await hold(host, `select from async_task_schedules where name = 'held' for update`)
  const changes = { cron: '0 0 1 1 *' }
  await expect(manager.updateSchedule('held', changes)).rejects.toMatchObject({ code: 'SCHEDULE_BUSY' })
  await expect(manager.deleteSchedule('held')).rejects.toMatchObject({ code: 'SCHEDULE_BUSY' })
  await manager.createSchedule({ name: 'free', cron: '* * * * * *', task: work })
  await nextEvent(events, 'ticked', ({ schedule }) => schedule === 'free')
  await releaseSchedule()
  await nextEvent(events, 'ticked', ({ schedule }) => schedule === 'held')
})
