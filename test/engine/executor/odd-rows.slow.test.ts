import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { TASK_SORTS } from '../../../src/contract/requests.ts'
import { taskSummary } from '../../../src/contract/task.ts'
import { isTransient } from '../../../src/db/errors.ts'
import { Redaction } from '../../../src/engine/definition/redaction.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { TaskFeed } from '../../../src/engine/feed/feed.ts'
import { createTestDatabase, type TestDatabase } from '../../support/database.ts'
import { createEngine, type Engine, nextEvent } from '../../support/engine.ts'
import { SOME_EXECUTOR } from '../../support/task-rows.ts'

const { task } = createTaskRegistry()
const work = task('work', { retryBaseMs: 60_000 })((_params, ctx) => {
  if (ctx.taskId === 'task_odd') throw new Error('on purpose')
  return 'fine'
})
let database: TestDatabase
/** It runs tasks and judges the dead through all tests. */
let engine: Engine
let feed: TaskFeed
const failures: unknown[] = []
beforeAll(async () => {
  database = await createTestDatabase()
  engine = createEngine(database, [work], {
    heartbeatIntervalMs: 300,
    leaseMs: 4_000,
    pollIntervalMs: 50,
    concurrency: 3,
  })
  engine.events.on('loopFailed', ({ loop, error }) => {
    if (!isTransient(error)) failures.push({ loop, error })
  })
  // Listed, so that its tasks are rescued at the next heartbeat, not after a lease.
  await database.pool.query(
    `insert into async_task_executors (executor_id, host, pid, version, slots, task_types, lease_ms, heartbeat_at)
     values ($1, 'h', 1, 'v', 1, '{work}', 4000, now() - interval '1 hour')`,
    [SOME_EXECUTOR],
  )
  engine.executor.start()
})
beforeEach(() => {
  failures.length = 0
  feed = new TaskFeed(engine.db, engine.events, new Redaction([], new Map()))
})
afterEach(async () => {
  feed.close()
  await database.pool.query('delete from async_tasks')
})
afterAll(async () => {
  await engine.executor.stop()
  await database.drop()
})

const MOST = 2_147_483_647

type Columns = Readonly<Record<string, unknown>>

const due = { status: 'pending', run_at: '2024-01-01T00:00:00Z' }
const left = { status: 'running', attempt: 1, executor_id: SOME_EXECUTOR, started_at: '2024-01-01T00:00:00Z' }
const ended = { status: 'completed', attempt: 1, completed_at: '2024-01-01T00:00:00Z' }
const attempts = `insert into async_task_attempts (task_id, attempt, started_at, outcome) values ('task_odd', 1, now(), 'failed')`
const param = (value: string) =>
  `insert into async_task_params (task_id, key, value) values ('task_odd', 'k', '${value}')`

/** Rows that the engine never writes, but an operator's statement or an import may. */
const ROWS: Readonly<Record<string, readonly [Columns, ...string[]]>> = {
  'the last attempt that a number can count': [{ ...due, attempt: MOST }],
  'the last attempt but one': [{ ...due, attempt: MOST - 1 }],
  'as many retries as a number can count': [{ ...due, retry_count: MOST, max_retries: MOST }],
  'a negative attempt and negative retries': [{ ...due, attempt: -5, retry_count: -5, max_retries: -1 }],
  'a due time of -infinity': [{ ...due, run_at: '-infinity' }],
  'a due time of infinity': [{ ...due, run_at: 'infinity' }],
  'a due time before Christ': [{ ...due, run_at: '0044-03-15 BC' }],
  'a due time that no Date holds': [{ ...due, run_at: '290000-01-01' }],
  'a creation at infinity': [{ ...due, created_at: 'infinity' }],
  'a creation at -infinity': [{ ...due, created_at: '-infinity' }],
  'a time limit beyond that of timers': [{ ...due, timeout_seconds: MOST }],
  'a negative time limit': [{ ...due, timeout_seconds: -1 }],
  'a number beyond 2^53': [{ ...due, id: '9007199254740993' }],
  'the largest progress': [{ ...due, progress: MOST, total: MOST }],
  'an id that needs quotes': [{ ...due, task_id: 'task_"{a,b}\\' }],
  'params that are no JSON': [due, param('not json')],
  'the highest priority': [{ ...due, priority: 32_767 }],
  'a dead executor and no start': [{ ...left, started_at: null }],
  'a dead executor and a recorded attempt': [left, attempts],
  'a dead executor and the last attempt': [
    { ...left, attempt: MOST, retry_count: MOST - 1, max_retries: MOST },
  ],
  'a recorded attempt of the next number': [due, attempts],
  'a result that is no JSON': [{ ...ended, result: 'not json' }],
  'an end at infinity': [{ ...ended, completed_at: 'infinity', started_at: '-infinity' }],
  'starts, ends and due times of one infinity': [
    { ...ended, run_at: '-infinity', started_at: '-infinity', completed_at: '-infinity' },
  ],
  'an expiry of -infinity': [{ ...due, expires_at: '-infinity' }],
  'an expiry of infinity': [{ ...due, expires_at: 'infinity' }],
  'a line whose data is no JSON': [
    due,
    `insert into async_task_logs (task_id, attempt, level, message, data) values ('task_odd', 1, 'INFO', 'm', '{')`,
  ],
}

async function insertOdd(columns: Columns, statements: readonly string[]): Promise<string> {
  const row: Columns = { task_id: 'task_odd', task_type: 'work', ...columns }
  const names = Object.keys(row)
  // In one transaction: the executor must not claim the row before it is complete.
  const client = await database.pool.connect()
  await client.query('begin')
  await client.query(
    `insert into async_tasks (${names.join(', ')}) overriding system value
     values (${names.map((_, i) => `$${i + 1}`).join(', ')})`,
    Object.values(row),
  )
  for (const statement of statements) await client.query(statement)
  await client.query('commit')
  client.release()
  return String(row.task_id)
}

test.for(Object.entries(ROWS))('a row with %s costs itself alone', async ([, [columns, ...statements]]) => {
  const { manager, events } = engine
  const odd = await insertOdd(columns, statements)
  const rescued = nextEvent(events, 'rescued', ({ tasks }) =>
    tasks.some(({ taskId }) => taskId === 'task_orphan'),
  )
  const orphan = await insertOdd({ ...left, task_id: 'task_orphan' }, [])
  const created = await manager.createTasks([1, 2, 3].map(() => ({ task: work, params: {} })))
  for (const { taskId } of created) {
    expect(await manager.waitFor(taskId)).toMatchObject({ status: 'completed', result: 'fine' })
  }
  await rescued
  expect(await manager.waitFor(orphan)).toMatchObject({ status: 'completed', retryCount: 1 })
  // Everything that shows many tasks shows the others.
  const { tasks } = await manager.listTasks({})
  expect(tasks.map(({ taskId }) => taskId)).toEqual(
    expect.arrayContaining([odd, orphan, ...created.map(({ taskId }) => taskId)]),
  )
  for (let cursor: string | undefined | null, i = 0; i < 5 && cursor !== null; i += 1) {
    const page = await manager.listTasks({ pageSize: 1, ...(cursor ? { cursor } : {}) })
    cursor = page.nextCursor ?? null
  }
  expect(() => z.encode(z.array(taskSummary), tasks)).not.toThrow()
  for (const sort of TASK_SORTS) expect((await manager.listTasks({ sort })).total).toBe(tasks.length)
  await manager.stats()
  await manager.listExecutors()
  const end = new AbortController()
  const all = await feed.followAll({ signal: end.signal, idleMs: 50 })
  await all.next()
  const one = await feed.follow(orphan, { signal: end.signal, idleMs: 50, afterId: 0 })
  await one.next()
  end.abort()
  await manager.bulk({ action: 'retry', taskIds: [odd, orphan], dryRun: false })
  expect(await manager.waitFor(orphan)).toMatchObject({ status: 'completed' })
  expect(failures).toEqual([])
})
