import { describe, expect, test } from 'vitest'
import { nextEvent } from '../../support/engine.ts'
import { inStatus, SOME_EXECUTOR } from '../../support/task-rows.ts'
import { expectCode, FINISHED, UNFINISHED, useSteeredTasks } from './steered-tasks.ts'

const { tables, insertBystanders, expectRefusal, whileDeleting } = useSteeredTasks()

/** An executor that registered and last said so long ago. */
async function insertExecutor(columns: { heartbeatAgeMs?: number; stopped?: boolean } = {}): Promise<void> {
  await tables.pool.query(
    `insert into async_task_executors
            (executor_id, host, pid, version, slots, task_types, lease_ms, heartbeat_at, stopped_at)
     values ($1, 'h', 1, 'v', 2, '{}', 30000, now() - $2 * interval '1 ms', case when $3 then now() end)`,
    [SOME_EXECUTOR, columns.heartbeatAgeMs ?? 0, columns.stopped ?? false],
  )
}

describe('retryTask', () => {
  test.each(FINISHED)('makes a %s task pending, with all its retries and its history', async (status) => {
    const { manager, events } = tables.createManager()
    const others = await insertBystanders()
    const taskId = await tables.insert({ ...inStatus(status), run_at: '2024-01-01T00:00:00Z' })
    const before = await tables.row(taskId)
    const announced = nextEvent(events, 'created')
    const task = await manager.retryTask(taskId)

    expect(task).toMatchObject({
      status: 'pending',
      progress: 0,
      total: 0,
      percent: 0,
      error: null,
      result: null,
      retryCount: 0,
      completedAt: null,
      cancelledAt: null,
      executorId: null,
      startedAt: new Date('2024-01-01T00:00:01Z'),
    })
    expect(await announced).toMatchObject({ taskIds: [taskId], dueNow: true })
    const row = await tables.row(taskId)
    expect(row).toEqual({
      ...before,
      status: 'pending',
      run_at: expect.any(String),
      executor_id: null,
      progress: 0,
      total: 0,
      step: null,
      result: null,
      error_message: null,
      retry_count: 0,
      completed_at: null,
      cancelled_at: null,
    })
    expect(Date.parse(String(row?.run_at))).toBeGreaterThan(Date.parse('2024-01-01T00:00:00Z'))
    const after = await tables.read()
    expect(after.tasks.filter((other) => other.task_id !== taskId)).toEqual(others.tasks)
    expect(after.attempts.filter((other) => other.task_id !== taskId)).toEqual(others.attempts)
  })

  test('keeps the attempt that completed, once', async () => {
    const { manager } = tables.createManager()
    const taskId = await tables.insert(inStatus('completed'))
    const completed = {
      attempt: 1,
      outcome: 'completed',
      startedAt: new Date('2024-01-01T00:00:01Z'),
      endedAt: new Date('2024-01-01T00:00:02Z'),
      error: null,
      stack: null,
      executorId: SOME_EXECUTOR,
    }
    expect((await manager.getTask(taskId))?.attempts).toEqual([completed])
    expect((await manager.retryTask(taskId)).attempts).toEqual([completed])
    await tables.set(taskId, { ...inStatus('completed'), attempt: 2 })
    const second = { ...completed, attempt: 2 }
    expect((await manager.retryTask(taskId)).attempts).toEqual([completed, second])
    expect((await tables.read(taskId)).attempts).toHaveLength(2)
  })

  test.each(UNFINISHED)('of a %s task is refused', async (status) => {
    await expectRefusal(status, (manager, taskId) => manager.retryTask(taskId), 'TASK_NOT_FINISHED')
  })

  describe('while the handler of the last attempt has not returned', () => {
    test.each(['cancelled', 'failed'] as const)(
      'of a %s task waits for a living executor',
      async (status) => {
        await insertExecutor({ heartbeatAgeMs: 29_000 })
        await expectRefusal(status, (manager, taskId) => manager.retryTask(taskId), 'TASK_STILL_STOPPING', {
          stopping: true,
        })
      },
    )

    test.each<[string, () => Promise<void>]>([
      ['that has died', () => insertExecutor({ heartbeatAgeMs: 31_000 })],
      ['that has stopped', () => insertExecutor({ stopped: true })],
      ['that nobody knows', async () => {}],
    ])('does not wait for an executor %s', async (_what, arrange) => {
      await arrange()
      const taskId = await tables.insert({ ...inStatus('cancelled'), stopping: true })
      const { manager } = tables.createManager()
      expect(await manager.getTask(taskId)).toMatchObject({ status: 'cancelled', stopping: false })
      expect(await manager.retryTask(taskId)).toMatchObject({ status: 'pending' })
      expect(await tables.row(taskId)).toMatchObject({ stopping: false })
    })
  })

  test('of two at once, one retries', async () => {
    const { manager } = tables.createManager()
    const taskId = await tables.insert(inStatus('completed'))
    const answers = await Promise.allSettled(Array.from({ length: 8 }, () => manager.retryTask(taskId)))
    expect(answers.filter((answer) => answer.status === 'fulfilled')).toHaveLength(1)
    for (const answer of answers.filter((other) => other.status === 'rejected')) {
      expect(answer.reason).toMatchObject({ code: 'TASK_NOT_FINISHED' })
    }
    expect((await tables.read(taskId)).attempts).toHaveLength(1)
  })

  test('of a task that is being deleted finds none', async () => {
    const { manager } = tables.createManager()
    const taskId = await tables.insert(inStatus('completed'))
    await whileDeleting(taskId, () => expectCode(manager.retryTask(taskId), 'TASK_NOT_FOUND'))
  })
})
