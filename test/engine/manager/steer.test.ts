import { describe, expect, test } from 'vitest'
import { nextEvent } from '../../support/engine.ts'
import { inStatus } from '../../support/task-rows.ts'
import { expectCode, FINISHED, UNFINISHED, useSteeredTasks } from './steered-tasks.ts'

const { tables, insertBystanders, expectRefusal, whileDeleting } = useSteeredTasks()
const NO_IDS = ['', 'x', 'task_', 'task_none', 'task_\u0000', 'task_a\n', `task_${'a'.repeat(100_000)}`]

describe('cancelTask', () => {
  test.each(UNFINISHED)('cancels a %s task, at once', async (status) => {
    const { manager, events } = tables.createManager()
    const others = await insertBystanders()
    const taskId = await tables.insert(inStatus(status))
    const before = await tables.row(taskId)
    const announced = nextEvent(events, 'cancelled')
    const task = await manager.cancelTask(taskId)

    expect(task).toMatchObject({
      taskId,
      status: 'cancelled',
      cancelledAt: expect.any(Date),
      completedAt: null,
    })
    const attempt = status === 'running' ? 1 : 0
    const wasPending = status === 'pending'
    expect(await announced).toEqual({ taskId, taskType: 'inserted', attempt, wasPending })
    const after = await tables.read()
    expect(await tables.row(taskId)).toEqual({
      ...before,
      status: 'cancelled',
      cancelled_at: expect.any(String),
      stopping: status === 'running',
    })
    const attempts = status === 'running' ? [{ attempt: 1, outcome: 'cancelled', error: null }] : []
    expect(task.attempts).toMatchObject(attempts)
    expect((await tables.read(taskId)).attempts).toMatchObject(attempts)
    expect(after.tasks.filter((row) => row.task_id !== taskId)).toEqual(others.tasks)
    expect(after.attempts.filter((row) => row.task_id !== taskId)).toEqual(others.attempts)
    expect({ params: after.params, logs: after.logs }).toEqual({ params: others.params, logs: others.logs })
  })

  test('again is no error and changes nothing', async () => {
    const { manager, events } = tables.createManager()
    const taskId = await tables.insert(inStatus('running'))
    const first = await manager.cancelTask(taskId)
    const before = await tables.read()
    events.on('cancelled', () => expect.unreachable('nothing was cancelled'))
    expect(await manager.cancelTask(taskId)).toEqual(first)
    expect(await tables.read()).toEqual(before)
  })

  test.each(['completed', 'failed'] as const)('of a %s task is refused', async (status) => {
    await expectRefusal(status, (manager, taskId) => manager.cancelTask(taskId), 'TASK_ALREADY_FINISHED')
  })

  test('of two at once, one cancels and both return', async () => {
    const { manager } = tables.createManager()
    const taskId = await tables.insert(inStatus('running'))
    const answers = await Promise.all(Array.from({ length: 8 }, () => manager.cancelTask(taskId)))
    expect(new Set(answers.map((answer) => answer.cancelledAt?.getTime())).size).toBe(1)
    expect((await tables.read(taskId)).attempts).toHaveLength(1)
  })
})

describe('deleteTask', () => {
  test.each(FINISHED)('removes a %s task with all that belongs to it, and nothing else', async (status) => {
    const { manager } = tables.createManager()
    const others = await insertBystanders()
    const taskId = await tables.insert(inStatus(status))
    await tables.pool.query(
      `with p as (insert into async_task_params (task_id, key, value) values ($1, 'a', '1')),
            l as (insert into async_task_logs (task_id, level, message) values ($1, 'INFO', 'said'))
       insert into async_task_attempts (task_id, attempt, started_at, outcome) values ($1, 1, now(), 'failed')`,
      [taskId],
    )
    expect(await manager.deleteTask(taskId)).toBeUndefined()
    expect(await tables.read()).toEqual(others)
    await expectCode(manager.deleteTask(taskId), 'TASK_NOT_FOUND')
  })

  test.each(UNFINISHED)('of a %s task is refused', async (status) => {
    await expectRefusal(status, (manager, taskId) => manager.deleteTask(taskId), 'TASK_NOT_FINISHED')
  })
})

test.each(NO_IDS)('a call that steers %.30j finds no task', async (taskId) => {
  const { manager } = tables.createManager()
  const before = await insertBystanders()
  await expectCode(manager.cancelTask(taskId), 'TASK_NOT_FOUND')
  await expectCode(manager.retryTask(taskId), 'TASK_NOT_FOUND')
  await expectCode(manager.deleteTask(taskId), 'TASK_NOT_FOUND')
  await expectCode(manager.updateProgress(taskId, 1), 'TASK_NOT_FOUND')
  await expectCode(manager.logMessage(taskId, 'INFO', 'x'), 'TASK_NOT_FOUND')
  await expectCode(manager.listLogs(taskId), 'TASK_NOT_FOUND')
  await expectCode(manager.waitFor(taskId), 'TASK_NOT_FOUND')
  expect(await tables.read()).toEqual(before)
})

test('a line for a task that is being deleted finds none', async () => {
  const { manager } = tables.createManager()
  const taskId = await tables.insert(inStatus('completed'))
  await whileDeleting(taskId, () => expectCode(manager.logMessage(taskId, 'INFO', 'x'), 'TASK_NOT_FOUND'))
})
