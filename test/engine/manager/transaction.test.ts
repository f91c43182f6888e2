import { drizzle } from 'drizzle-orm/node-postgres'
import type pg from 'pg'
import { describe, expect, test } from 'vitest'
import { withTransaction } from '../../../src/db/client.ts'
import type { Transaction } from '../../../src/db/query-runner.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { nextEvent } from '../../support/engine.ts'
import { inStatus, useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()

const { task } = createTaskRegistry()
const plain = task('plain')(() => undefined)

const createManager = () => tables.createManager([plain]).manager
const taskIds = async () => (await tables.read()).tasks.map((row) => row.task_id)

class Refused extends Error {}

/** Runs in a transaction of each kind that a caller may have. */
const KINDS: [string, (work: (tx: Transaction) => Promise<void>) => Promise<void>][] = [
  ['a pg client', (work) => withTransaction(tables.pool, work)],
  ['a Drizzle transaction', (work) => drizzle({ client: tables.pool }).transaction(work)],
  [
    'anything with query(text, values)',
    (work) =>
      withTransaction(tables.pool, (client) =>
        work({ query: async (text, values) => ({ rows: (await client.query(text, values)).rows }) }),
      ),
  ],
]

describe.each(KINDS)('in %s', (_name, inTransaction) => {
  test('a task exists when it is committed, and not before', async () => {
    const manager = createManager()
    let id = ''
    await inTransaction(async (tx) => {
      const params = { text: `it's "$1" ? \\ 汉`, list: [1, null] }
      const created = await manager.createTask(plain, params, { tx, priority: 3, createdBy: 'u1' })
      expect(created).toMatchObject({ created: true, status: 'pending', params, priority: 3 })
      id = created.taskId
      expect(await manager.getTask(id)).toBeUndefined()
    })
    expect(await manager.getTask(id)).toMatchObject({ params: { list: [1, null] }, createdBy: 'u1' })
  })

  test('tasks are gone when it is rolled back', async () => {
    const manager = createManager()
    const work = inTransaction(async (tx) => {
      await manager.createTask(plain, { a: 1 }, { tx })
      await manager.createTasks([{ task: plain }, { task: plain, uniqueKey: 'k' }], { tx })
      throw new Refused()
    })
    await expect(work).rejects.toThrow(Refused)
    expect(await tables.read()).toEqual({ tasks: [], params: [], logs: [], attempts: [] })
    expect(await manager.createTask(plain, {}, { uniqueKey: 'k' })).toMatchObject({ created: true })
  })

  test('a unique key counts, and one that is to be rejected leaves the transaction usable', async () => {
    const manager = createManager()
    const held = await manager.createTask(plain, { i: 0 }, { uniqueKey: 'held' })
    const made: string[] = []
    await inTransaction(async (tx) => {
      expect(await manager.createTask(plain, {}, { tx, uniqueKey: 'held' })).toEqual({
        ...held,
        created: false,
      })
      const mine = await manager.createTask(plain, { i: 1 }, { tx, uniqueKey: 'mine' })
      expect(await manager.createTask(plain, { i: 2 }, { tx, uniqueKey: 'mine' })).toEqual({
        ...mine,
        created: false,
      })
      const refused = [
        { task: plain },
        { task: plain, uniqueKey: 'free' },
        { task: plain, uniqueKey: 'held', onDuplicate: 'reject' as const },
      ]
      await expect(manager.createTasks(refused, { tx })).rejects.toMatchObject({ code: 'DUPLICATE_TASK' })
      made.push(mine.taskId)
    })
    expect(await taskIds()).toEqual([held.taskId, ...made])
  })
})

test('a savepoint that is rolled back takes its tasks along', async () => {
  const manager = createManager()
  await drizzle({ client: tables.pool }).transaction(async (tx) => {
    await manager.createTask(plain, { kept: true }, { tx })
    const inner = tx.transaction(async (nested) => {
      await manager.createTask(plain, { kept: false }, { tx: nested })
      throw new Refused()
    })
    await expect(inner).rejects.toThrow(Refused)
  })
  expect((await tables.read()).params).toMatchObject([{ value: 'true' }])
})

test('one statement writes the tasks, their params and the notification', async () => {
  const manager = createManager()
  const statements: string[] = []
  await withTransaction(tables.pool, async (client) => {
    const tx = {
      query: (text: string, values?: unknown[]) => {
        statements.push(text)
        return client.query(text, values)
      },
    }
    await manager.createTasks(
      [
        { task: plain, params: { a: 1 } },
        { task: plain, uniqueKey: 'k' },
      ],
      { tx },
    )
  })
  // What is behind `query` says only by a statement whether it is in a transaction.
  expect(statements.filter((text) => !text.startsWith('lock table'))).toHaveLength(1)
})

test('a task is due and created when it was asked for, not when the transaction began', async () => {
  const manager = createManager()
  await withTransaction(tables.pool, async (client) => {
    const { rows } = await client.query<{ began: Date }>('select now() as began, pg_sleep(0.2)')
    const began = rows[0]?.began.getTime() ?? Number.NaN
    const created = await manager.createTask(plain, {}, { tx: client })
    expect(created.createdAt.getTime()).toBeGreaterThanOrEqual(began + 200)
    expect(created.runAt).toEqual(created.createdAt)
  })
})

test('it waits for a key that another open transaction has', async () => {
  const manager = createManager()
  const committed = Promise.withResolvers<void>()
  const written = Promise.withResolvers<void>()
  const first = withTransaction(tables.pool, async (tx) => {
    const { taskId } = await manager.createTask(plain, {}, { tx, uniqueKey: 'k' })
    written.resolve()
    await committed.promise
    return taskId
  })
  await written.promise
  const second = withTransaction(tables.pool, async (tx) => {
    const { rows } = await tx.query<{ pid: number }>('select pg_backend_pid() as pid')
    void untilItWaits(rows[0]?.pid).then(committed.resolve, committed.reject)
    return manager.createTask(plain, {}, { tx, uniqueKey: 'k' })
  })
  expect(await second).toMatchObject({ taskId: await first, created: false })
})

async function untilItWaits(pid: number | undefined): Promise<void> {
  const state = async () =>
    (
      await tables.pool.query<{ wait_event_type: string | null }>(
        'select wait_event_type from pg_stat_activity where pid = $1',
        [pid],
      )
    ).rows[0]?.wait_event_type
  await expect.poll(state, { interval: 10 }).toBe('Lock')
}

test('a key whose task ended after a repeatable read began is refused by the database, without a wrong result', async () => {
  const manager = createManager()
  const taskId = await tables.insert({ ...inStatus('pending'), unique_key: 'k' })
  const work = withTransaction(tables.pool, async (tx: pg.PoolClient) => {
    await tx.query('set transaction isolation level repeatable read')
    await tx.query('select 1 from async_tasks')
    await manager.cancelTask(taskId)
    const next = await manager.createTask(plain, {}, { uniqueKey: 'k' })
    expect(next.created).toBe(true)
    return manager.createTask(plain, {}, { tx, uniqueKey: 'k' })
  })
  await expect(work).rejects.toMatchObject({ code: '40001' })
})

test("an error of Drizzle's does not show the params", async () => {
  const manager = createManager()
  const work = drizzle({ client: tables.pool }).transaction(async (tx) => {
    await tx.execute('select 1/0').catch(() => {})
    await manager.createTask(plain, { password: 'hunter2' }, { tx })
  })
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  expect(error).toMatchObject({ code: '25P02' })
  expect(String(error)).not.toContain('hunter2')
})

test('nothing is announced before the commit, which may never come', async () => {
  const { manager, events } = tables.createManager([plain])
  const announced = nextEvent(events, 'created')
  await withTransaction(tables.pool, (tx) => manager.createTask(plain, {}, { tx }))
  const { taskId } = await manager.createTask(plain)
  expect((await announced).taskIds).toEqual([taskId])
})
