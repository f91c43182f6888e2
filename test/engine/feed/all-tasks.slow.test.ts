import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { createDatabase } from '../../../src/db/database.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { requestReports } from '../../../src/engine/store/changes.ts'
import { rememberTypes } from '../../support/remember-types.ts'
import { DELAYED, quick, useAllTasksViewer } from './all-tasks-viewer.ts'

const { engines, statements, openTransaction, watch, crowd } = useAllTasksViewer()
const { task } = createTaskRegistry()

describe('a viewer of all tasks is shown that another process', () => {
  test('cancels a waiting task that was there before', async () => {
    const { manager } = engines.create([quick])
    const { taskId } = await manager.createTask(quick, {}, DELAYED)
    await crowd()
    const { shown } = await watch()
    await manager.cancelTask(taskId)
    await expect.poll(() => shown.get(taskId)).toBe('cancelled')
  })

  test('retries a task that had ended, once more after it ended again', async () => {
    const { manager } = engines.create([quick])
    const { taskId } = await manager.createTask(quick, {}, DELAYED)
    await manager.cancelTask(taskId)
    await crowd()
    const { shown } = await watch()
    await manager.retryTask(taskId)
    await expect.poll(() => shown.get(taskId)).toBe('pending')
    await manager.cancelTask(taskId)
    await expect.poll(() => shown.get(taskId)).toBe('cancelled')
    await manager.retryTask(taskId)
    await expect.poll(() => shown.get(taskId)).toBe('pending')
  })

  test('deletes a task, whether the viewer was shown it or not', async () => {
    const { manager } = engines.create([quick])
    const before = await manager.createTask(quick, {}, DELAYED)
    await manager.cancelTask(before.taskId)
    await crowd()
    const { shown, events } = await watch()
    const { taskId } = await manager.createTask(quick, {}, DELAYED)
    await expect.poll(() => shown.get(taskId)).toBe('pending')
    await manager.cancelTask(taskId)
    for (const id of [before.taskId, taskId]) {
      await manager.deleteTask(id)
      await expect.poll(() => events).toContainEqual({ type: 'deleted', taskId: id })
    }
  })

  test('ends each of many tasks that were pending, however quickly', async () => {
    const { manager } = engines.create([quick])
    const created = await manager.createTasks(Array.from({ length: 30 }, () => ({ task: quick })))
    await crowd()
    const { shown } = await watch()
    engines.start([quick], { pollIntervalMs: 20 })
    const ids = created.map(({ taskId }) => taskId)
    await expect.poll(() => ids.map((id) => shown.get(id))).toEqual(ids.map(() => 'completed'))
  })

  test('puts a failed attempt back to pending between two polls', async () => {
    const fails = task('fails', { maxRetries: 1, retryBaseMs: 3_600_000 })(() => {
      throw new Error('not yet')
    })
    await rememberTypes(engines.database.pool, 'fails')
    const { manager } = engines.create([fails])
    const { taskId } = await manager.createTask(fails)
    await crowd()
    const { events } = await watch()
    engines.start([fails], { pollIntervalMs: 20 })
    await expect
      .poll(() => events)
      .toContainEqual({
        type: 'task',
        task: expect.objectContaining({ taskId, status: 'pending', retryCount: 1 }),
      })
  })

  test('changes a thousand tasks in one call', async () => {
    const { manager } = engines.create([quick])
    const created = await manager.createTasks(
      Array.from({ length: 1_000 }, () => ({ task: quick, ...DELAYED })),
    )
    const taskIds = created.map(({ taskId }) => taskId)
    await crowd()
    const { shown } = await watch()
    const count = (status: string) => taskIds.filter((id) => shown.get(id) === status).length
    await manager.bulk({ action: 'cancel', taskIds })
    await expect.poll(() => count('cancelled')).toBe(1_000)
    await manager.bulk({ action: 'delete', taskIds })
    await expect.poll(() => count('deleted')).toBe(1_000)
  })

  test('creates more tasks at once than one poll reads', async () => {
    const { manager } = engines.create([quick])
    const { shown } = await watch()
    const items = Array.from({ length: 1_000 }, () => ({ task: quick, ...DELAYED }))
    await Promise.all([manager.createTasks(items), manager.createTasks(items), manager.createTasks(items)])
    await expect.poll(() => shown.size).toBe(3_000)
  })

  test('creates a task in a transaction that others overtake', async () => {
    const { manager } = engines.create([quick])
    const { shown } = await watch()
    const late = await openTransaction()
    const { taskId } = await manager.createTask(quick, {}, { ...DELAYED, tx: late })
    for (let i = 0; i < 3; i += 1) {
      const other = await manager.createTask(quick, {}, DELAYED)
      await expect.poll(() => shown.get(other.taskId)).toBe('pending')
    }
    await late.query('commit')
    await expect.poll(() => shown.get(taskId)).toBe('pending')
  })

  test('creates a task in a transaction that is older than what the first poll shows', async () => {
    const { manager } = engines.create([quick])
    const late = await openTransaction()
    const { taskId } = await manager.createTask(quick, {}, { ...DELAYED, tx: late })
    await manager.createTask(quick, {}, DELAYED)
    const { shown } = await watch()
    await late.query('commit')
    await expect.poll(() => shown.get(taskId)).toBe('pending')
  })

  test('creates thousands of tasks in transactions that others overtake', async () => {
    const { manager } = engines.create([quick])
    const { shown } = await watch()
    const late = await Promise.all([openTransaction(), openTransaction()])
    for (const tx of late) {
      await manager.createTasks(
        Array.from({ length: 1_000 }, () => ({ task: quick, ...DELAYED })),
        { tx },
      )
    }
    const other = await manager.createTask(quick, {}, DELAYED)
    await expect.poll(() => shown.get(other.taskId)).toBe('pending')
    for (const tx of late) await tx.query('commit')
    await expect.poll(() => shown.size).toBe(2_001)
  })

  test('pauses and resumes a type', async () => {
    const { manager } = engines.create([quick])
    const { events } = await watch()
    await manager.pauseTaskType('quick')
    await expect.poll(() => events).toEqual([{ type: 'type', taskType: 'quick', paused: true }])
    await manager.resumeTaskType('quick')
    await expect.poll(() => events).toContainEqual({ type: 'type', taskType: 'quick', paused: false })
  })
})

test('a viewer whose picture may have become wrong is disconnected: an executor died', async () => {
  const { manager } = engines.create([quick])
  const { ended } = await watch()
  await manager.createTask(quick, {}, DELAYED)
  await engines.database.pool.query(
    `insert into async_task_executors (executor_id, host, pid, version, slots, task_types, lease_ms, heartbeat_at)
     values (gen_random_uuid(), 'x', 1, 'x', 1, '{}', 1000, now() - interval '1 minute')`,
  )
  await ended
})

test('viewers are disconnected where their process stood still for longer than changes are reported', async () => {
  const { manager } = engines.create([quick])
  const now = performance.now.bind(performance)
  let aheadMs = 0
  const clock = vi.spyOn(performance, 'now').mockImplementation(() => now() + aheadMs)
  onTestFinished(() => clock.mockRestore())
  const { shown, ended } = await watch()
  const requests = () => statements.filter((text) => text.includes(`'watch', gen_random_uuid()`)).length
  expect(requests()).toBe(1)
  // A request in time keeps them.
  aheadMs = 10_000
  await expect.poll(requests).toBe(2)
  const { taskId } = await manager.createTask(quick, {}, DELAYED)
  await expect.poll(() => shown.get(taskId)).toBe('pending')
  await engines.database.pool.query(
    `update async_task_duties set until = now() - interval '1 ms' where name = 'watch'`,
  )
  // Another process that requests reports again does not hide the gap.
  const db = createDatabase(engines.database.pool, {
    prepared: engines.database.prepared,
    schema: engines.database.schema,
  })
  await requestReports(db)
  aheadMs = 20_000
  await ended
})

test('reports are written only while a process watches, and are removed', async () => {
  const { manager, executor } = engines.start([quick], { pollIntervalMs: 20 })
  const reports = async () =>
    (await engines.database.pool.query('select task_ids from async_task_changes')).rows.length
  const { taskId } = await manager.createTask(quick)
  await manager.waitFor(taskId)
  await executor.stop()
  expect(await reports()).toBe(0)
  await manager.deleteTask(taskId)
  expect(await reports()).toBe(1)
  await engines.database.pool.query(`update async_task_changes set created_at = now() - interval '1 hour'`)
  await watch()
  expect(await reports()).toBe(0)
})

test('any number of viewers costs as many statements as one', async () => {
  await Promise.all(Array.from({ length: 20 }, watch))
  const before = statements.length
  const begun = performance.now()
  await expect.poll(() => statements.length - before).toBeGreaterThan(4)
  const seconds = (performance.now() - begun) / 1_000
  expect((statements.length - before) / seconds).toBeLessThan(10)
})
