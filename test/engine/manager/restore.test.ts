import { expect, test } from 'vitest'
import { inStatus, insertSteps, useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()

/** All columns but those that a cancel and a retry write anyway. */
async function rowOf(taskId: string) {
  const { stopping: _stopping, ...row } = (await tables.row(taskId)) ?? {}
  return row
}

const WAITING = {
  run_at: '2999-01-01T00:00:00Z',
  expires_at: '2999-06-01T00:00:00Z',
  retry_count: 2,
  attempt: 3,
  error_message: 'the last error',
  started_at: '2024-01-01T00:00:00Z',
}

test('a cancel of a pending task is undone: due time, used retries, error, expiry and steps are as before', async () => {
  const { manager } = tables.createManager()
  const taskId = await tables.insert({ ...inStatus('pending'), ...WAITING })
  await insertSteps(tables.pool, taskId)
  const before = await rowOf(taskId)
  const cancelled = await manager.bulk({ action: 'cancel', taskIds: [taskId] })
  expect(cancelled.results).toEqual([{ taskId, ok: true, wasPending: true }])
  const restored = await manager.bulk({ action: 'retry', taskIds: [taskId], restore: true })
  expect(restored.results).toEqual([{ taskId, ok: true }])
  expect(await rowOf(taskId)).toEqual(before)
  expect((await manager.getTask(taskId))?.steps).toHaveLength(2)
})

test('without restore, a retry begins anew: due now, with all retries and no expiry', async () => {
  const { manager } = tables.createManager()
  const taskId = await tables.insert({ ...inStatus('pending'), ...WAITING })
  await manager.bulk({ action: 'cancel', taskIds: [taskId] })
  await manager.bulk({ action: 'retry', taskIds: [taskId] })
  const task = await manager.getTask(taskId)
  expect(task).toMatchObject({ status: 'pending', retryCount: 0, error: null, expiresAt: null })
  expect(task?.runAt.getTime()).toBeLessThan(Date.now() + 60_000)
})

test('a task that was due meanwhile is due at once, and what failed is retried as ever', async () => {
  const { manager } = tables.createManager()
  const overdue = await tables.insert({ ...inStatus('pending'), run_at: '2024-01-01T00:00:00Z' })
  const failed = await tables.insert({ ...inStatus('failed'), run_at: '2999-01-01T00:00:00Z' })
  await manager.bulk({ action: 'cancel', taskIds: [overdue] })
  await manager.bulk({ action: 'retry', taskIds: [overdue, failed], restore: true })
  for (const taskId of [overdue, failed]) {
    const task = await manager.getTask(taskId)
    expect(task).toMatchObject({ status: 'pending', retryCount: 0, error: null })
    expect(Math.abs(Date.now() - (task?.runAt.getTime() ?? 0))).toBeLessThan(60_000)
  }
})

test('a cancel names what was pending', async () => {
  const { manager } = tables.createManager()
  const pending = await tables.insert(inStatus('pending'))
  const running = await tables.insert(inStatus('running'))
  const taskIds = [pending, running]
  const expected = [
    { taskId: pending, ok: true, wasPending: true },
    { taskId: running, ok: true },
  ]
  expect((await manager.bulk({ action: 'cancel', taskIds, dryRun: true })).results).toEqual(expected)
  expect((await manager.bulk({ action: 'cancel', taskIds })).results).toEqual(expected)
  const again = await manager.bulk({ action: 'cancel', taskIds })
  expect(again.results.some(({ wasPending }) => wasPending)).toBe(false)
})

test('restore is refused with another action', async () => {
  const { manager } = tables.createManager()
  const call = manager.bulk({ action: 'cancel', taskIds: ['task_0'], restore: true })
  await expect(call).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    problems: [{ pointer: '/restore', detail: "is only for action: 'retry'" }],
  })
})
