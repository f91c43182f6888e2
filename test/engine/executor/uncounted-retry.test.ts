import { expect, test } from 'vitest'
import { RetryAfter } from '../../../src/engine/definition/errors.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { useEngines } from '../../support/engines.ts'

const engines = useEngines()
const SOON = { retryBaseMs: 0, pollIntervalMs: 20 }

test('RetryAfter without a spent retry runs again where none is left, and is logged as a warning', async () => {
  const { task } = createTaskRegistry()
  const busy = task('busy', { maxRetries: 0 })((_params, ctx) => {
    if (ctx.attempt < 3) throw new RetryAfter(10, { spendRetry: false })
    return 'done'
  })
  const { manager } = engines.start([busy], SOON)
  const { taskId } = await manager.createTask(busy)
  const ended = await manager.waitFor(taskId)
  expect(ended).toMatchObject({ status: 'completed', retryCount: 0, result: 'done' })
  expect(ended.attempts).toMatchObject([
    { outcome: 'failed', error: 'retry after 10 ms', spentRetry: false },
    { outcome: 'failed', spentRetry: false },
    { outcome: 'completed' },
  ])
  expect(ended.attempts[2]).not.toHaveProperty('spentRetry')
  const { logs } = await manager.listLogs(taskId)
  expect(logs.map(({ level, message }) => [level, message])).toEqual([
    ['WARNING', 'retry after 10 ms'],
    ['WARNING', 'retry after 10 ms'],
  ])
})

test('a detail has the newest 1,000 attempts, the running one among them', async () => {
  const { task } = createTaskRegistry()
  const endless = task('endless')((_params, ctx) => ctx.attempt)
  const { manager } = engines.start([endless], SOON)
  const { taskId } = await manager.createTask(endless, {}, { delayMs: 60_000 })
  await engines.database.pool.query(
    `with earlier as (
       insert into async_task_attempts (task_id, attempt, started_at, outcome)
       select $1, n, now(), 'failed' from generate_series(1, 1001) n)
     update async_tasks set attempt = 1001 where task_id = $1`,
    [taskId],
  )
  const numbers = async () => (await manager.getTask(taskId))?.attempts.map(({ attempt }) => attempt)
  const from = (first: number) => Array.from({ length: 1_000 }, (_, i) => first + i)
  expect(await numbers()).toEqual(from(2))
  await manager.runNow(taskId)
  expect((await manager.waitFor(taskId)).result).toBe(1_002)
  expect(await numbers()).toEqual(from(3))
})

test('a task keeps its newest 1,000 attempts', async () => {
  const { task } = createTaskRegistry()
  const endless = task('endless')((_params, ctx) => {
    if (ctx.attempt < 2_001) throw new RetryAfter(1_000, { spendRetry: false })
  })
  const { manager } = engines.start([endless], SOON)
  const { taskId } = await manager.createTask(endless, {}, { delayMs: 60_000 })
  const { pool } = engines.database
  await pool.query(
    `with earlier as (
       insert into async_task_attempts (task_id, attempt, started_at, outcome)
       select $1, n, now(), 'failed' from generate_series(1, 1999) n)
     update async_tasks set attempt = 1999 where task_id = $1`,
    [taskId],
  )
  await manager.runNow(taskId)
  const text = `select count(*)::int as count, min(attempt) as first, max(attempt) as last
                  from async_task_attempts where task_id = $1`
  await expect
    .poll(async () => (await pool.query(text, [taskId])).rows)
    .toEqual([{ count: 1_000, first: 1_001, last: 2_000 }])
  await manager.runNow(taskId)
  expect((await manager.waitFor(taskId)).attempts.at(-1)?.attempt).toBe(2_001)
})
