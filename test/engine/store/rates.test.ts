import { expect, test } from 'vitest'
import type { TypeLimits } from '../../../src/engine/definition/limits.ts'
import { Claims } from '../../../src/engine/store/claim.ts'
import { findNextPermit } from '../../../src/engine/store/rates.ts'
import { captureStatements } from '../../support/plans.ts'
import { SOME_EXECUTOR, useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()
const WINDOW_MS = 10_000
const unlimited = { concurrency: null, globalConcurrency: null, keyed: false }
const rated = { ...unlimited, taskType: 'rated', rate: { max: 2, windowMs: WINDOW_MS, keyed: false } }
const keyed = { ...rated, rate: { ...rated.rate, keyed: true } }
const other = { ...unlimited, taskType: 'other', globalConcurrency: 100 }

/** Starts so many milliseconds ago; returns the database's clock. */
async function insertStarts(agoMs: number[], key = ''): Promise<number> {
  const { rows } = await tables.pool.query<{ now: number }>(
    `with started as (
       insert into async_task_starts (task_type, rate_key, started_at)
       select 'rated', $2, now() - ms * interval '1 millisecond' from unnest($1::float8[]) as ms
     )
     select (extract(epoch from now()) * 1000)::float8 as now`,
    [agoMs, key],
  )
  return rows[0]?.now ?? Number.NaN
}

async function insertTasks(count: number, rate_key: string | null = null): Promise<string[]> {
  const ids: string[] = []
  for (let i = 0; i < count; i += 1) ids.push(await tables.insert({ task_type: 'rated', rate_key }))
  return ids
}

const insertBacklog = (count: number) =>
  tables.pool.query(
    `insert into async_tasks (task_id, task_type, rate_key)
     select 'task_long' || n, 'rated', 'long' from generate_series(1, $1::int) n`,
    [count],
  )

function claimsOf(...types: TypeLimits[]) {
  const claims = new Claims(tables.createManager().db, SOME_EXECUTOR, types)
  const all = types.map(() => null)
  const open = new Set(types.map(({ taskType }) => taskType))
  return async (limit = 10) => {
    const result = await claims.claimLimited({ limit, capacity: all, since: all }, open)
    return { ...result, ids: result.tasks.map(({ taskId }) => taskId) }
  }
}

test('the next permit returns when the first of the last starts no longer counts', async () => {
  const now = await insertStarts([9_000, 4_000, 1_000])
  const { db } = tables.createManager()
  expect(await findNextPermit(db, rated)).toBeCloseTo(now - 4_000 + WINDOW_MS, 0)
  await tables.pool.query('truncate async_task_starts')
  await insertStarts([15_000, 14_000, 1_000])
  expect(await findNextPermit(db, rated)).toBeNull()
})

test('a claim says when the next permit returns, with the starts that it makes', async () => {
  const claim = claimsOf(rated)
  await insertTasks(4)
  const before = await insertStarts([4_000])
  const first = await claim()
  expect(first.tasks).toHaveLength(1)
  expect(Number(first.nextPermits?.get('rated')?.at)).toBeCloseTo(before - 4_000 + WINDOW_MS, 0)
  await tables.pool.query('truncate async_task_starts')
  const second = await claim()
  expect(second.tasks).toHaveLength(2)
  expect(Number(second.nextPermits?.get('rated')?.at)).toBeGreaterThanOrEqual(second.at + WINDOW_MS)
  expect(Number(second.nextPermits?.get('rated')?.at)).toBeLessThan(second.at + WINDOW_MS + 5_000)
  await tables.pool.query('truncate async_task_starts')
  expect((await claim()).nextPermits?.get('rated')).toEqual({ at: null, isLeft: false, isHeld: false })
})

test('a long backlog of a busy concurrency key hides no task of another one with the same rate key', async () => {
  const claim = claimsOf({ ...keyed, keyed: true })
  await tables.pool.query(
    `insert into async_tasks (task_id, task_type, rate_key, concurrency_key)
     select 'task_long' || n, 'rated', 'customer', 'busy' from generate_series(1, 250) n`,
  )
  const free = { task_type: 'rated', rate_key: 'customer', concurrency_key: 'free' }
  const other = await tables.insert(free)
  expect((await claim()).ids).toEqual(['task_long1', other])
  expect((await claim()).ids).toEqual([])
})

test('of each key: the permit that returns first, of those that are missing', async () => {
  const claim = claimsOf(keyed)
  await insertTasks(2, 'a')
  await insertTasks(3, 'b')
  await insertTasks(1, 'c')
  const now = await insertStarts([3_000, 2_000], 'a')
  const { tasks, nextPermits } = await claim()
  expect(tasks).toHaveLength(3)
  expect(Number(nextPermits?.get('rated')?.at)).toBeCloseTo(now - 3_000 + WINDOW_MS, 0)
})

test('a full claim says when the permit of a type returns', async () => {
  await insertTasks(3)
  const now = await insertStarts([])
  const { ids, nextPermits } = await claimsOf(rated)(2)
  expect(ids).toHaveLength(2)
  expect(Number(nextPermits?.get('rated')?.at)).toBeGreaterThanOrEqual(now + WINDOW_MS)
})

test('a full claim says whether a key with a permit has due tasks, and when the first permit returns', async () => {
  const claim = claimsOf(keyed, other)
  await insertTasks(1, 'a')
  await tables.pool.query(
    `insert into async_tasks (task_id, task_type, rate_key, run_at) values ('task_later', 'rated', 'b', now() + interval '1 hour')`,
  )
  const now = await insertStarts([3_000, 2_000], 'a')
  const nextOf = async () => {
    await tables.insert({ task_type: 'other', priority: 9 })
    const { tasks, nextPermits } = await claim(1)
    expect(tasks.map(({ taskType }) => taskType)).toEqual(['other'])
    return nextPermits?.get('rated')
  }
  const next = await nextOf()
  expect(next).toMatchObject({ isLeft: false, isHeld: true })
  expect(next?.at).toBeCloseTo(now - 3_000 + WINDOW_MS, 0)
  const [keyless] = await insertTasks(1)
  expect((await nextOf())?.isLeft).toBe(true)
  await tables.pool.query('delete from async_tasks where task_id = $1', [keyless])
  expect((await nextOf())?.isLeft).toBe(false)
  await insertTasks(1, 'c')
  expect((await nextOf())?.isLeft).toBe(true)
})

test.each(['a', null])('a claim that took all due tasks leaves none to permits: key %s', async (key) => {
  const claim = claimsOf(keyed)
  const nextOf = async () => (await claim()).nextPermits?.get('rated')
  await insertTasks(1, key)
  expect(await nextOf()).toEqual({ at: null, isLeft: false, isHeld: false })
  await insertTasks(1, key)
  expect(await nextOf()).toMatchObject({ at: expect.any(Number), isLeft: false, isHeld: false })
  await insertTasks(1, key)
  expect(await nextOf()).toMatchObject({ isLeft: false, isHeld: true })
})

test('with more due tasks than the window of keys, each claim finds the permits of all keys with one statement', async () => {
  await insertBacklog(300)
  const [keyless] = await insertTasks(1)
  const far = [...(await insertTasks(1, 'a')), ...(await insertTasks(1, 'b'))]
  const claim = claimsOf(keyed, other)
  expect((await claim()).ids).toEqual(['task_long1', 'task_long2', ...far])
  const late = [...(await insertTasks(1, 'c')), await tables.insert({ task_type: 'other', priority: 9 })]
  const sent = await captureStatements(tables.pool, async () => {
    expect((await claim()).ids).toEqual(late.toReversed())
  })
  expect(sent).toHaveLength(1)
  // Within the window, as before: no index has them by key.
  await tables.pool.query(`update async_tasks set run_at = now() - interval '1 day' where task_id = $1`, [
    keyless,
  ])
  expect((await claim()).ids).toEqual([keyless])
  await tables.pool.query(`delete from async_tasks where rate_key = 'long'`)
  await claim()
  const [last] = await insertTasks(1, 'd')
  expect((await claim()).ids).toEqual([last])
})
