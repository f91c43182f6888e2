import { expect, test } from 'vitest'
import type { TypeLimits } from '../../../src/engine/definition/limits.ts'
import { Claims } from '../../../src/engine/store/claim.ts'
import { exchangeTasks } from '../../../src/engine/store/exchange.ts'
import { pauseType } from '../../../src/engine/store/task-types.ts'
import { inStatus, SOME_EXECUTOR, type StoredRow, useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()
const OTHER_EXECUTOR = '00000000-0000-4000-8000-000000000002'

const waiting = (columns: StoredRow = {}) => tables.insert({ task_type: 'three', ...columns })

async function running(columns: StoredRow = {}) {
  const taken = { ...inStatus('running'), executor_id: SOME_EXECUTOR, attempt: 1, concurrency_key: '' }
  const taskId = await waiting({ ...taken, ...columns })
  return { id: String((await tables.row(taskId))?.id), taskId, attempt: 1, result: '1', last: undefined }
}

async function exchange(...runs: Awaited<ReturnType<typeof running>>[]) {
  const { done, tasks } = await exchangeTasks(tables.createManager().db, SOME_EXECUTOR, 'three', runs)
  const taken = tasks.map(({ taskId }) => taskId)
  return { done: done.map(({ taskId }) => taskId), taken }
}

test('as many tasks are taken as are completed, of their type, in its order', async () => {
  const [a, b, lost] = [await running(), await running(), await running({ executor_id: OTHER_EXECUTOR })]
  const third = await waiting()
  await waiting({ task_type: 'other', priority: 9 })
  await waiting({ priority: 9, run_at: new Date(Date.now() + 3_600_000) })
  const first = await waiting({ priority: 5, attempt: 4 })
  const second = await waiting({ priority: 2 })
  expect(await exchange(b, lost, a)).toEqual({ done: [b.taskId, a.taskId], taken: [first, second] })
  expect(await tables.row(a.taskId)).toMatchObject({ status: 'completed', result: '1' })
  expect(await tables.row(lost.taskId)).toMatchObject({ status: 'running' })
  const taken = { status: 'running', executor_id: SOME_EXECUTOR, attempt: 5, concurrency_key: '' }
  expect(await tables.row(first)).toMatchObject(taken)
  expect(await tables.row(third)).toMatchObject({ status: 'pending' })
})

test('a run that lost its task leaves no place', async () => {
  const cancelled = await running({ ...inStatus('cancelled'), stopping: true })
  const old = await running({ attempt: 2 })
  await waiting()
  expect(await exchange(cancelled, old)).toEqual({ done: [], taken: [] })
})

test('a run whose row is locked is left, and so is a task that another claim holds', async () => {
  const [locked, a] = [await running(), await running()]
  const held = await waiting()
  const next = await waiting()
  const client = await tables.pool.connect()
  try {
    await client.query('begin')
    await client.query('select from async_tasks where task_id = any($1) for update', [[locked.taskId, held]])
    expect(await exchange(locked, a)).toEqual({ done: [a.taskId], taken: [next] })
    await client.query('rollback')
  } finally {
    client.release()
  }
})

test('of a paused type none is taken', async () => {
  const a = await running()
  await waiting()
  await pauseType(tables.createManager().db, 'three')
  expect(await exchange(a)).toEqual({ done: [a.taskId], taken: [] })
})

test('with claims beside it, never more than the limit run', async () => {
  const count = 120
  await tables.pool.query(
    `insert into async_tasks (task_id, task_type) select 'task_e' || n, 'three' from generate_series(1, $1) n`,
    [count],
  )
  const { db } = tables.createManager()
  const three: TypeLimits = { taskType: 'three', concurrency: null, globalConcurrency: 3, keyed: false }
  const claims = new Claims(db, SOME_EXECUTOR, [three])
  const request = { limit: 2, places: [null], since: [null] }
  let most = 0
  let done = 0
  let exchanged = 0
  const work = async () => {
    while (done < count) {
      let { tasks } = await claims.claimLimited(request, new Set(['three']))
      while (tasks.length > 0) {
        const { rows } = await tables.pool.query<{ count: number }>(
          `select count(*)::int from async_tasks where status = 'running'`,
        )
        most = Math.max(most, rows[0]?.count ?? 0)
        const runs = tasks.map((task) => ({ ...task, result: null, last: undefined }))
        done += runs.length
        tasks = (await exchangeTasks(db, SOME_EXECUTOR, 'three', runs)).tasks.slice()
        exchanged += tasks.length
        // Now and then the places are left to the claims.
        if (tasks.length > 0 && done % 5 === 0) {
          const ids = tasks.map(({ taskId }) => taskId)
          await tables.pool.query(`update async_tasks set status = 'completed' where task_id = any($1)`, [
            ids,
          ])
          done += ids.length
          tasks = []
        }
      }
    }
  }
  await Promise.all([work(), work(), work(), work()])
  expect(most).toBe(3)
  expect(exchanged).toBeGreaterThan(0)
})
