import { describe, expect, test } from 'vitest'
import type { TaskStatus } from '../../../src/engine/definition/lifecycle.ts'
import { nextEvent } from '../../support/engine.ts'
import { inStatus, SOME_EXECUTOR, useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()

const FINISHED = ['completed', 'failed', 'cancelled'] as const
const UNFINISHED = ['pending', 'running'] as const
const NO_IDS = ['', 'x', 'task_', 'task_none', 'task_\u0000', 'task_a\n', `task_${'a'.repeat(100_000)}`]

/** Tasks in every status, with params, logs and attempts, that no call of a test names. */
async function insertBystanders() {
  for (const status of [...FINISHED, ...UNFINISHED]) {
    const taskId = await tables.insert(inStatus(status))
    await tables.pool.query(
      `with p as (insert into async_task_params (task_id, key, value) values ($1, 'a', '1')),
            l as (insert into async_task_logs (task_id, level, message) values ($1, 'INFO', 'said'))
       insert into async_task_attempts (task_id, attempt, started_at, outcome) values ($1, 7, now(), 'failed')`,
      [taskId],
    )
  }
  return tables.read()
}

/** An executor that registered and last said so long ago. */
async function insertExecutor(columns: { heartbeatAgeMs?: number; stopped?: boolean } = {}): Promise<void> {
  await tables.pool.query(
    `insert into async_task_executors
            (executor_id, host, pid, version, slots, task_types, lease_ms, heartbeat_at, stopped_at)
     values ($1, 'h', 1, 'v', 2, '{}', 30000, now() - $2 * interval '1 ms', case when $3 then now() end)`,
    [SOME_EXECUTOR, columns.heartbeatAgeMs ?? 0, columns.stopped ?? false],
  )
}

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
    expect(await announced).toEqual({ taskId, taskType: 'inserted', attempt })
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
      expect(await tables.createManager().manager.retryTask(taskId)).toMatchObject({ status: 'pending' })
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

describe('updateProgress', () => {
  const RUNNING = inStatus('running')

  test.each<[string, object, [number, number?, string?], object]>([
    ['counts', {}, [3, 10, 'loading'], { progress: 3, total: 10, step: 'loading' }],
    [
      'keeps total and step that are not given',
      { total: 10, step: 's' },
      [3],
      { progress: 3, total: 10, step: 's' },
    ],
    ['never falls', { progress: 5, total: 10 }, [3], { progress: 5, total: 10 }],
    ['is bounded by a total that is given', {}, [5, 3], { progress: 3, total: 3 }],
    ['raises a total that it has passed', { progress: 5, total: 10 }, [12], { progress: 12, total: 12 }],
    [
      'lets a total shrink, to no less than what is done',
      { progress: 5, total: 10 },
      [5, 2],
      { progress: 5, total: 5 },
    ],
    ['knows no total as 0', { progress: 5, total: 10 }, [6, 0], { progress: 6, total: 0 }],
    ['takes the largest number', {}, [2_147_483_647, 2_147_483_647], { progress: 2_147_483_647 }],
    ['cuts a step after 200 characters', {}, [1, 2, 'x'.repeat(201)], { step: 'x'.repeat(200) }],
    ['replaces what no row can hold', {}, [1, 2, 'a\u0000\ud800'], { step: 'a\ufffd\ufffd' }],
  ])('%s', async (_what, columns, [current, total, step], expected) => {
    const { manager } = tables.createManager()
    const others = await insertBystanders()
    const taskId = await tables.insert({ ...RUNNING, ...columns })
    const before = await tables.row(taskId)
    const task = await manager.updateProgress(taskId, current, total, step)
    expect(task).toMatchObject(expected)
    expect(await tables.row(taskId)).toEqual({ ...before, ...pick(task, ['progress', 'total', 'step']) })
    expect((await tables.read()).tasks.filter((row) => row.task_id !== taskId)).toEqual(others.tasks)
  })

  test.each([...FINISHED, 'pending'] as const)('of a %s task is refused', async (status) => {
    await expectRefusal(status, (manager, taskId) => manager.updateProgress(taskId, 1, 2), 'TASK_NOT_RUNNING')
  })

  test.each<[string, unknown[]]>([
    ['/current', [-1]],
    ['/current', [1.5]],
    ['/current', [Number.NaN]],
    ['/current', [2_147_483_648]],
    ['/current', ['1']],
    ['/total', [1, -1]],
    ['/total', [1, Number.POSITIVE_INFINITY]],
    ['/step', [1, 2, 3]],
  ])('refuses what is at %s of %j', async (pointer, args) => {
    const { manager } = tables.createManager()
    const taskId = await tables.insert(RUNNING)
    const before = await tables.read()
    const [current, total, step] = args as [number, number?, string?]
    await expect(manager.updateProgress(taskId, current, total, step)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      problems: [{ pointer }],
    })
    expect(await tables.read()).toEqual(before)
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

async function expectCode(call: Promise<unknown>, code: string): Promise<void> {
  await expect(call).rejects.toMatchObject({ code })
}

/** The call is refused with this code and changes nothing. */
async function expectRefusal(
  status: TaskStatus,
  call: (manager: ReturnType<typeof tables.createManager>['manager'], taskId: string) => Promise<unknown>,
  code: string,
  columns: object = {},
): Promise<void> {
  const { manager } = tables.createManager()
  const taskId = await tables.insert({ ...inStatus(status), ...columns })
  const before = await tables.read()
  await expectCode(call(manager, taskId), code)
  expect(await tables.read()).toEqual(before)
}

/** Starts `call` while another transaction has deleted the task, and commits that once `call` waits for it. */
async function whileDeleting(taskId: string, call: () => Promise<void>): Promise<void> {
  const client = await tables.pool.connect()
  try {
    await client.query('begin')
    await client.query('delete from async_tasks where task_id = $1', [taskId])
    const called = call()
    await expect
      .poll(async () => {
        const { rows } = await tables.pool.query(
          `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
        )
        return rows.length
      })
      .toBe(1)
    await client.query('commit')
    await called
  } finally {
    client.release()
  }
}

function pick<T extends object>(object: T, keys: readonly (keyof T)[]): Partial<T> {
  return Object.fromEntries(keys.map((key) => [key, object[key]])) as Partial<T>
}
