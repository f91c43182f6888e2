import { describe, expect, test } from 'vitest'
import { registerExecutor } from '../../../src/engine/store/executors.ts'
import { failUnknownTypes, releaseAllBut, rescueTasks } from '../../../src/engine/store/rescue.ts'
import { inStatus, SOME_EXECUTOR, useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()

const LEASE_MS = 30_000
const OTHER_EXECUTOR = '00000000-0000-4000-8000-000000000002'

const db = () => tables.createManager().db

async function register(heartbeatAge = '0 s', executorId = SOME_EXECUTOR): Promise<void> {
  const taskTypes = ['known']
  const row = { executorId, host: 'h', pid: 7, version: 'v', slots: 2, taskTypes, leaseMs: LEASE_MS }
  await registerExecutor(db(), row)
  await tables.pool.query(
    'update async_task_executors set heartbeat_at = now() - $2::interval where executor_id = $1',
    [executorId, heartbeatAge],
  )
}

describe('rescueTasks', () => {
  test.each(['whose heartbeat is older than its lease', 'that has no row'])(
    'puts the task of an executor %s back, one retry spent',
    async (which) => {
      if (which.startsWith('whose')) await register('31 s')
      const taskId = await tables.insert({
        ...inStatus('running'),
        retry_count: 2,
        progress: 3,
        total: 9,
        step: 's',
      })
      const before = await tables.row(taskId)
      const error = 'attempt 1 was lost: its executor died'
      expect(await rescueTasks(db())).toEqual([
        { taskId, taskType: 'inserted', attempt: 1, status: 'pending', error },
      ])
      expect(await tables.row(taskId)).toEqual({
        ...before,
        status: 'pending',
        executor_id: null,
        retry_count: 3,
        run_at: expect.any(String),
        progress: 0,
        total: 0,
        step: null,
        error_message: error,
        error_group: expect.stringMatching(/^[0-9a-f]{16}$/),
      })
      expect(await tables.read(taskId)).toMatchObject({
        attempts: [{ attempt: 1, executor_id: SOME_EXECUTOR, outcome: 'lost', error }],
        logs: [{ attempt: 1, level: 'ERROR', message: error }],
      })
      expect(await rescueTasks(db())).toEqual([])
    },
  )

  test('fails it when no retry is left: a task that kills its process must end', async () => {
    const taskId = await tables.insert({ ...inStatus('running'), retry_count: 3, progress: 3, total: 9 })
    expect(await rescueTasks(db())).toMatchObject([{ taskId, status: 'failed' }])
    expect(await tables.row(taskId)).toMatchObject({
      status: 'failed',
      executor_id: SOME_EXECUTOR,
      retry_count: 3,
      progress: 3,
      completed_at: expect.any(String),
    })
  })

  test('leaves alone what an executor still runs, and what does not run', async () => {
    await register('29 s')
    await tables.insert(inStatus('running'))
    for (const status of ['pending', 'completed', 'failed', 'cancelled'] as const) {
      await tables.insert({
        ...inStatus(status),
        ...(status === 'pending' ? {} : { executor_id: OTHER_EXECUTOR }),
      })
    }
    const before = await tables.read()
    expect(await rescueTasks(db())).toEqual([])
    expect(await tables.read()).toEqual(before)
  })
})

test('releaseAllBut releases what the executor does not keep, no retry spent, and nothing else', async () => {
  await register()
  const stray = await tables.insert({ ...inStatus('running'), retry_count: 1 })
  const held = await tables.insert(inStatus('running'))
  const heldBefore = await tables.insert({ ...inStatus('running'), attempt: 2 })
  await tables.insert({ ...inStatus('running'), executor_id: OTHER_EXECUTOR })
  await tables.insert(inStatus('cancelled'))
  const before = await tables.read()
  const runs = [held, heldBefore].map((taskId) => ({ taskId, attempt: 1 }))
  const released = await releaseAllBut(db(), SOME_EXECUTOR, runs, 60_000)
  expect(new Set(released)).toEqual(new Set([stray, heldBefore]))
  expect(await tables.row(stray)).toMatchObject({
    status: 'pending',
    executor_id: null,
    retry_count: 1,
    attempt: 1,
  })
  const { rows: due } = await tables.pool.query<{ later: boolean }>(
    `select run_at > now() + interval '50 seconds' as later from async_tasks where status = 'pending'`,
  )
  expect(due).toEqual([{ later: true }, { later: true }])
  const after = await tables.read()
  const others = ({ task_id }: { task_id?: unknown }) => task_id !== stray && task_id !== heldBefore
  expect(after.tasks.filter(others)).toEqual(before.tasks.filter(others))
  expect(after.attempts).toHaveLength(2)
  expect(after.attempts).toEqual(
    expect.arrayContaining([
      expect.objectContaining({ task_id: stray, attempt: 1, outcome: 'interrupted' }),
      expect.objectContaining({ task_id: heldBefore, attempt: 2, outcome: 'interrupted' }),
    ]),
  )
})

describe('failUnknownTypes', () => {
  const GRACE_SECONDS = 100
  const due = (age: string) => ({ run_at: new Date(Date.now() - Number.parseInt(age, 10) * 1_000) })

  test('fails what has been due for the grace without an executor, naming the type', async () => {
    await register()
    const taskId = await tables.insert({ task_type: 'unknown', ...due('101 s') })
    expect(await failUnknownTypes(db(), SOME_EXECUTOR, GRACE_SECONDS)).toEqual([
      { taskId, taskType: 'unknown', attempt: 0, error: expect.stringMatching(/^UNKNOWN_TASK_TYPE/) },
    ])
    const error_message = "UNKNOWN_TASK_TYPE: no executor has registered 'unknown'"
    expect(await tables.row(taskId)).toMatchObject({
      status: 'failed',
      error_message,
      retry_count: 0,
      attempt: 0,
      completed_at: expect.any(String),
    })
    expect((await tables.read(taskId)).logs).toMatchObject([{ level: 'ERROR', message: error_message }])
  })

  test('leaves alone what may still find its executor', async () => {
    await register()
    await register('99 s', OTHER_EXECUTOR)
    await tables.pool.query(`update async_task_executors set task_types = '{slow}' where executor_id = $1`, [
      OTHER_EXECUTOR,
    ])
    await tables.insert({ task_type: 'known', ...due('999 s') })
    await tables.insert({ task_type: 'slow', ...due('999 s') })
    await tables.insert({ task_type: 'unknown', ...due('99 s') })
    await tables.insert({ task_type: 'unknown', run_at: '2099-01-01T00:00:00Z' })
    for (const status of ['running', 'completed', 'failed', 'cancelled'] as const) {
      await tables.insert({ ...inStatus(status), task_type: 'unknown', ...due('999 s') })
    }
    const before = await tables.read()
    for (const judge of [SOME_EXECUTOR, OTHER_EXECUTOR]) {
      expect(await failUnknownTypes(db(), judge, GRACE_SECONDS)).toEqual([])
    }
    expect(await tables.read()).toEqual(before)
  })

  test('a grace shorter than a lease does not fail tasks of executors that live', async () => {
    await register('1 s', OTHER_EXECUTOR)
    await tables.insert({ task_type: 'known', ...due('999 s') })
    expect(await failUnknownTypes(db(), SOME_EXECUTOR, 0)).toEqual([])
  })
})
