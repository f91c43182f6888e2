import { describe, expect, test } from 'vitest'
import { Claims } from '../../../src/engine/store/claim.ts'
import { claimTasks } from '../../support/claim-tasks.ts'
import { inStatus, SOME_EXECUTOR, useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()

const OTHER_EXECUTOR = '00000000-0000-4000-8000-000000000002'
const PAST = '2024-01-01T00:00:00Z'
const LATER_PAST = '2024-01-02T00:00:00Z'

const claim = (limit: number, taskTypes = ['inserted'], executorId = SOME_EXECUTOR) =>
  claimTasks(tables.createManager().db, executorId, taskTypes, limit)

const idsOf = (claimed: readonly { taskId: string }[]) => claimed.map((task) => task.taskId)

describe('a claim', () => {
  test('takes higher priority first, then the oldest due, then the first created', async () => {
    const late = await tables.insert({ run_at: LATER_PAST })
    const early = await tables.insert({ run_at: PAST })
    const twin = await tables.insert({ run_at: PAST })
    const urgent = await tables.insert({ run_at: LATER_PAST, priority: 1 })
    const idle = await tables.insert({ run_at: PAST, priority: -1 })
    expect(idsOf(await claim(2))).toEqual([urgent, early])
    expect(idsOf(await claim(10))).toEqual([twin, late, idle])
  })

  test('makes the rows running under its fence, and returns what a run needs', async () => {
    const taskId = await tables.insert({
      attempt: 4,
      retry_count: 1,
      max_retries: 2,
      timeout_seconds: 9,
      created_by: 'u1',
    })
    await tables.pool.query(
      `insert into async_task_params (task_id, key, value) values ($1, 'symbol', '"000001"'), ($1, '', 'null')`,
      [taskId],
    )
    const before = await tables.read()
    const [task] = await claim(1)
    expect(task).toMatchObject({
      taskId,
      taskType: 'inserted',
      attempt: 5,
      retryCount: 1,
      maxRetries: 2,
      timeoutSeconds: 9,
      createdBy: 'u1',
      params: { symbol: '"000001"', '': 'null' },
    })
    expect(await tables.read()).toEqual({
      ...before,
      tasks: [
        {
          ...before.tasks[0],
          status: 'running',
          attempt: 5,
          executor_id: SOME_EXECUTOR,
          started_at: expect.any(String),
        },
      ],
    })
  })

  test('leaves what is not due, not pending or of another type as it is', async () => {
    await tables.insert({ run_at: '2099-01-01T00:00:00Z' })
    for (const status of ['running', 'completed', 'failed', 'cancelled'] as const) {
      await tables.insert(inStatus(status))
    }
    await tables.insert({ task_type: 'other' })
    const before = await tables.read()
    expect(await claim(10)).toEqual([])
    expect(await claim(10, [])).toEqual([])
    expect(await claim(0, ['inserted', 'other'])).toEqual([])
    expect(await tables.read()).toEqual(before)
  })

  test('skips rows that another transaction holds', async () => {
    const held = await tables.insert({ run_at: PAST })
    const free = await tables.insert({ run_at: LATER_PAST })
    const client = await tables.pool.connect()
    try {
      await client.query('begin')
      await client.query('select 1 from async_tasks where task_id = $1 for update', [held])
      expect(idsOf(await claim(2))).toEqual([free])
      await client.query('rollback')
    } finally {
      client.release()
    }
    expect(idsOf(await claim(2))).toEqual([held])
  })

  test('of recent tasks reports what is due of those alone, as it could not take an older one', async () => {
    const { db } = tables.createManager()
    const unlimited = { concurrency: null, globalConcurrency: null, keyed: false }
    const claims = new Claims(db, SOME_EXECUTOR, [{ taskType: 'inserted', ...unlimited }])
    const read = async (since: string) => {
      const request = { limit: 2, capacity: [null], since: [since], findsDueLeft: true }
      const { tasks, isDueLeft } = await claims.claim(request)
      return { claimed: tasks.length, isDueLeft }
    }
    await tables.insert({ run_at: PAST })
    const client = await tables.pool.connect()
    try {
      await client.query('begin')
      await client.query('select from async_tasks for update')
      expect(await read(PAST)).toEqual({ claimed: 0, isDueLeft: true })
      expect(await read(LATER_PAST)).toEqual({ claimed: 0, isDueLeft: false })
    } finally {
      await client.query('rollback')
      client.release()
    }
  })

  test('never takes what another one takes at the same time', async () => {
    await tables.pool.query(
      `insert into async_tasks (task_id, task_type) select 'task_c' || n, 'inserted' from generate_series(1, 500) n`,
    )
    const { db } = tables.createManager()
    const claimers = [SOME_EXECUTOR, OTHER_EXECUTOR].flatMap((id) => Array(4).fill(id) as string[])
    const taken = await Promise.all(
      claimers.map(async (executorId) => {
        const mine: string[] = []
        for (let batch = 1; batch > 0; ) {
          const claimed = await claimTasks(db, executorId, ['inserted'], 7)
          expect(claimed.length).toBeLessThanOrEqual(7)
          mine.push(...idsOf(claimed))
          batch = claimed.length
        }
        return mine
      }),
    )
    // A claim that meets only held rows comes back empty while some are left: the next poll takes those.
    const all = taken.flat()
    expect(new Set(all).size).toBe(all.length)
    const { tasks } = await tables.read()
    for (const row of tasks) expect([0, 1]).toContain(row.attempt)
    expect(tasks.filter((row) => row.status === 'running')).toHaveLength(all.length)
  })
})
