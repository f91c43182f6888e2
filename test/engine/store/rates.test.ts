import { expect, test } from 'vitest'
import { findNextPermit } from '../../../src/engine/store/rates.ts'
import { useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()
const WINDOW_MS = 10_000
const type = { taskType: 'rated', rate: { max: 2, windowMs: WINDOW_MS, keyed: false } }

/** Starts so many milliseconds ago; returns the database's clock. */
async function insertStarts(...agoMs: number[]): Promise<number> {
  const { rows } = await tables.pool.query<{ now: number }>(
    `with started as (
       insert into async_task_starts (task_type, rate_key, started_at)
       select 'rated', '', now() - ms * interval '1 millisecond' from unnest($1::float8[]) as ms
     )
     select (extract(epoch from now()) * 1000)::float8 as now`,
    [agoMs],
  )
  return rows[0]?.now ?? Number.NaN
}

const find = (claimedAt?: number) => findNextPermit(tables.createManager().db, type, claimedAt)

test('the next permit returns when the first of the last starts no longer counts', async () => {
  const now = await insertStarts(9_000, 4_000, 1_000)
  expect((await find()).at).toBeCloseTo(now - 4_000 + WINDOW_MS, 0)
})

test('a permit that has returned since the claim is free now, however long that took', async () => {
  const now = await insertStarts(15_000, 14_000)
  const { at, now: readAt } = await find(now - 5_000)
  expect(at).toBe(readAt)
  // That claim found it.
  expect((await find(now - 3_000)).at).toBeNull()
  expect((await find()).at).toBeNull()
})
