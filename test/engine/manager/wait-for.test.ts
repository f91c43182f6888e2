import { describe, expect, test } from 'vitest'
import { inStatus, useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()

const createManager = () => tables.createManager([], { pollIntervalMs: 10 })

describe('waitFor', () => {
  test.each(['completed', 'failed', 'cancelled'] as const)(
    'resolves to a task that is %s already',
    async (status) => {
      const { manager } = createManager()
      const taskId = await tables.insert(inStatus(status))
      expect(await manager.waitFor(taskId)).toEqual(await manager.getTask(taskId))
    },
  )

  test.each(['completed', 'failed', 'cancelled'] as const)(
    'resolves when another process makes the task %s',
    async (status) => {
      const { manager } = createManager()
      const taskId = await tables.insert(inStatus('running'))
      const waiting = manager.waitFor(taskId)
      await expect(manager.waitFor(taskId, { timeoutMs: 50 })).rejects.toMatchObject({ code: 'WAIT_TIMEOUT' })
      await tables.set(taskId, inStatus(status))
      expect(await waiting).toMatchObject({ taskId, status })
    },
  )

  test('notices an end in this process without a poll', async () => {
    const { manager, events } = tables.createManager([], { pollIntervalMs: 60_000 })
    const taskId = await tables.insert(inStatus('running'))
    const waiting = manager.waitFor(taskId)
    // An attempt that will be retried has ended, but not the task.
    const event = { taskId, taskType: 'inserted', attempt: 1, durationMs: 1 }
    events.emit('ended', { ...event, outcome: 'failed', retryInMs: 1_000 })
    await manager.cancelTask(taskId)
    expect(await waiting).toMatchObject({ status: 'cancelled' })
  })

  test('serves many who wait, for one task and for several', async () => {
    const { manager } = createManager()
    const ids = await Promise.all([1, 2, 3].map(() => tables.insert(inStatus('running'))))
    const waits = ids.flatMap((taskId) => Array.from({ length: 5 }, () => manager.waitFor(taskId)))
    for (const taskId of ids.toReversed()) await tables.set(taskId, inStatus('completed'))
    const ended = await Promise.all(waits)
    expect(ended.map((task) => task.taskId)).toEqual(ids.flatMap((taskId) => Array(5).fill(taskId)))
  })

  test('reads tasks that end together in few statements, for callers that share a signal too', async () => {
    const { manager } = createManager()
    const { rows } = await tables.pool.query<{ taskId: string }>(
      `insert into async_tasks (task_id, task_type, status, attempt)
       select 'task_many' || i, 'inserted', 'running', 1 from generate_series(1, 5000) i
       returning task_id as "taskId"`,
    )
    let statements = 0
    const count = () => (statements += 1)
    tables.pool.on('acquire', count)
    const { signal } = new AbortController()
    const waits = rows.map(({ taskId }) => manager.waitFor(taskId, { signal, timeoutMs: 600_000 }))
    await tables.pool.query(`update async_tasks set status = 'completed', completed_at = now()`)
    const ended = await Promise.all(waits)
    tables.pool.off('acquire', count)
    expect(ended.map((task) => task.taskId)).toEqual(rows.map(({ taskId }) => taskId))
    // Two reads of each task, each with many others, and a few polls.
    expect(statements).toBeLessThan(1_000)
  })

  test('can be called again after all others have ended', async () => {
    const { manager } = createManager()
    for (let i = 0; i < 3; i++) {
      const taskId = await tables.insert(inStatus('running'))
      const waiting = manager.waitFor(taskId)
      await tables.set(taskId, inStatus('completed'))
      await waiting
    }
  })

  test('rejects when there is no such task, and when it is deleted meanwhile', async () => {
    const { manager } = createManager()
    await expect(manager.waitFor('task_none')).rejects.toMatchObject({ code: 'TASK_NOT_FOUND' })
    const taskId = await tables.insert(inStatus('running'))
    const waiting = handled(manager.waitFor(taskId))
    await tables.pool.query('delete from async_tasks where task_id = $1', [taskId])
    await expect(waiting).rejects.toMatchObject({ code: 'TASK_NOT_FOUND' })
  })

  test.each([0, 1, 30])('rejects after %d ms, and changes nothing', async (timeoutMs) => {
    const { manager } = createManager()
    const taskId = await tables.insert(inStatus('running'))
    const before = await tables.read()
    const started = performance.now()
    await expect(manager.waitFor(taskId, { timeoutMs })).rejects.toMatchObject({
      code: 'WAIT_TIMEOUT',
      message: expect.stringContaining(`${timeoutMs} ms`),
    })
    expect(performance.now() - started).toBeGreaterThanOrEqual(timeoutMs)
    expect(await tables.read()).toEqual(before)
  })

  test('with no time to wait still sees an end', async () => {
    const { manager } = createManager()
    const taskId = await tables.insert(inStatus('completed'))
    expect(await manager.waitFor(taskId, { timeoutMs: 0 })).toMatchObject({ status: 'completed' })
  })

  test('takes a limit beyond what a timer can hold', async () => {
    const { manager } = createManager()
    const taskId = await tables.insert(inStatus('running'))
    for (const timeoutMs of [2 ** 40, Number.POSITIVE_INFINITY]) {
      await tables.set(taskId, { status: 'running' })
      const waiting = manager.waitFor(taskId, { timeoutMs })
      await tables.set(taskId, inStatus('completed'))
      await waiting
    }
  })

  test.each([Number.NaN, -1, '5', null])('refuses %j as a limit', async (timeoutMs) => {
    const { manager } = createManager()
    const taskId = await tables.insert(inStatus('completed'))
    await expect(manager.waitFor(taskId, { timeoutMs: timeoutMs as number })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      problems: [{ pointer: '/timeoutMs' }],
    })
  })

  test("rejects with the signal's reason, aborted before or meanwhile", async () => {
    const { manager } = createManager()
    const taskId = await tables.insert(inStatus('running'))
    const reason = new Error('the caller left')
    await expect(manager.waitFor(taskId, { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    const controller = new AbortController()
    const waiting = handled(manager.waitFor(taskId, { signal: controller.signal }))
    controller.abort(reason)
    await expect(waiting).rejects.toBe(reason)
  })

  test('rejects all callers of one signal, and no other', async () => {
    const { manager } = createManager()
    const taskId = await tables.insert(inStatus('running'))
    const reason = new Error('the caller left')
    const controller = new AbortController()
    const leaving = [1, 2, 3].map(() => handled(manager.waitFor(taskId, { signal: controller.signal })))
    const staying = manager.waitFor(taskId)
    controller.abort(reason)
    for (const waiting of leaving) await expect(waiting).rejects.toBe(reason)
    await tables.set(taskId, inStatus('completed'))
    expect(await staying).toMatchObject({ taskId, status: 'completed' })
  })

  test('rejects when the manager closes, and from then on', async () => {
    const { manager } = createManager()
    const taskId = await tables.insert(inStatus('running'))
    const waiting = handled(manager.waitFor(taskId))
    manager.close()
    await expect(waiting).rejects.toMatchObject({ code: 'SHUTTING_DOWN' })
    await expect(manager.waitFor(taskId)).rejects.toMatchObject({ code: 'SHUTTING_DOWN' })
  })
})

/** The rejection is expected later: until then it must not count as unhandled. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined)
  return promise
}
