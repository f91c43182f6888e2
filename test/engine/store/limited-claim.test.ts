import { describe, expect, test } from 'vitest'
import { createPool, endPool } from '../../../src/db/client.ts'
import { createDatabase } from '../../../src/db/database.ts'
import type { TypeLimits } from '../../../src/engine/definition/limits.ts'
import { Claims } from '../../../src/engine/store/claim.ts'
import { startFaultProxy } from '../../support/fault-proxy.ts'
import { slowPool } from '../../support/slow-pool.ts'
import { inStatus, SOME_EXECUTOR, type StoredRow, useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()

const free: TypeLimits = { taskType: 'free', concurrency: null, globalConcurrency: null, keyed: false }
const three: TypeLimits = { taskType: 'three', concurrency: null, globalConcurrency: 3, keyed: false }
const keyed: TypeLimits = { taskType: 'keyed', concurrency: null, globalConcurrency: null, keyed: true }

function claims(...types: TypeLimits[]) {
  const made = new Claims(tables.createManager().db, SOME_EXECUTOR, types)
  const request = (limit: number) => ({
    limit,
    capacity: types.map(() => null),
    since: types.map(() => null),
  })
  return {
    plain: (limit = 10) => made.claim(request(limit)),
    limited: (limit = 10, open = types.map(({ taskType }) => taskType)) =>
      made.claimLimited(request(limit), new Set(open)),
  }
}

const insert = (task_type: string, columns: StoredRow = {}) => tables.insert({ task_type, ...columns })
const idsOf = ({ tasks }: { tasks: readonly { taskId: string }[] }) => tasks.map(({ taskId }) => taskId)

describe('a type with a limit over all processes', () => {
  test('is left to the claim under its lock, and reported by the plain one', async () => {
    await insert('three')
    const other = await insert('free')
    const { plain, limited } = claims(free, three)
    const answer = await plain()
    expect(idsOf(answer)).toEqual([other])
    expect(answer.waiting).toEqual(['three'])
    expect((await limited()).tasks).toHaveLength(1)
    expect((await plain()).waiting).toEqual([])
  })

  test('is claimed up to the limit, in the order of all types, and again when there is room', async () => {
    const first = await insert('three', { priority: 5 })
    const second = await insert('free', { priority: 4 })
    const third = await insert('three', { priority: 3 })
    const more = [await insert('three'), await insert('three')]
    const { limited } = claims(free, three)
    expect(idsOf(await limited(2))).toEqual([first, second])
    expect(idsOf(await limited(10))).toEqual([third, more[0]])
    expect(idsOf(await limited(10))).toEqual([])
    await tables.set(first, { status: 'completed' })
    expect(idsOf(await limited(10))).toEqual([more[1]])
  })

  test('counts a handler that has not returned, as long as its executor lives', async () => {
    await tables.pool.query(
      `insert into async_task_executors (executor_id, host, pid, version, slots, task_types, lease_ms)
       values ($1, 'h', 1, 'v', 1, '{}', 30000)`,
      [SOME_EXECUTOR],
    )
    const ended = { ...inStatus('cancelled'), task_type: 'three', stopping: true, concurrency_key: '' }
    for (let i = 0; i < 3; i += 1) await tables.insert(ended)
    await insert('three')
    const { limited } = claims(three)
    expect((await limited()).tasks).toEqual([])
    await tables.pool.query(`update async_task_executors set heartbeat_at = now() - interval '1 hour'`)
    expect((await limited()).tasks).toHaveLength(1)
  })

  test('is left out while another claim has its lock, and others are not held up', async () => {
    await insert('three')
    const other = await insert('free')
    const { limited } = claims(free, three)
    await limited(0)
    const client = await tables.pool.connect()
    try {
      await client.query('begin')
      await client.query(`select from async_task_types where task_type = 'three' for update`)
      const answer = await limited(10, ['three'])
      expect(idsOf(answer)).toEqual([other])
      expect(answer.contended).toEqual(['three'])
      await client.query('rollback')
    } finally {
      client.release()
    }
    expect((await limited()).tasks).toHaveLength(1)
  })

  test('never runs over the limit with concurrent claims', async () => {
    await tables.pool.query(
      `insert into async_tasks (task_id, task_type) select 'task_l' || n, 'three' from generate_series(1, 60) n`,
    )
    const { limited } = claims(three)
    let most = 0
    let done = 0
    const work = async () => {
      while (done < 60) {
        const ids = idsOf(await limited(2))
        const { rows } = await tables.pool.query<{ count: number }>(
          `select count(*)::int from async_tasks where status = 'running'`,
        )
        most = Math.max(most, rows[0]?.count ?? 0)
        if (ids.length > 0) {
          await tables.pool.query(`update async_tasks set status = 'completed' where task_id = any($1)`, [
            ids,
          ])
        }
        done += ids.length
      }
    }
    await Promise.all([work(), work(), work(), work()])
    expect(most).toBeGreaterThan(1)
    expect(most).toBeLessThanOrEqual(3)
  })
})

describe('a type with keys', () => {
  test('runs one task a key, the first of each', async () => {
    const a = await insert('keyed', { concurrency_key: 'a' })
    const a2 = await insert('keyed', { concurrency_key: 'a' })
    const b = await insert('keyed', { concurrency_key: 'b' })
    const b2 = await insert('keyed', { concurrency_key: 'b', priority: 9 })
    const { limited } = claims(keyed)
    expect(idsOf(await limited())).toEqual([b2, a])
    expect(idsOf(await limited())).toEqual([])
    await tables.set(a, { status: 'completed' })
    expect(idsOf(await limited())).toEqual([a2])
    await tables.set(b2, { status: 'completed' })
    expect(idsOf(await limited())).toEqual([b])
  })

  test('finds a free key behind a long backlog of one that is taken', async () => {
    await tables.pool.query(
      `insert into async_tasks (task_id, task_type, concurrency_key)
       select 'task_k' || n, 'keyed', 'long' from generate_series(1, 1000) n`,
    )
    const last = await insert('keyed', { concurrency_key: 'other' })
    const { limited } = claims(keyed)
    expect(idsOf(await limited())).toEqual(['task_k1', last])
    expect(idsOf(await limited())).toEqual([])
  })

  test('comes in the order of all types, keys behind the backlog included', async () => {
    await tables.pool.query(
      `insert into async_tasks (task_id, task_type, concurrency_key, priority)
       select 'task_k' || n, 'keyed', 'long', 5 from generate_series(1, 300) n`,
    )
    const other = await insert('keyed', { concurrency_key: 'other', priority: 4 })
    const last = await insert('free')
    expect(idsOf(await claims(keyed, free).limited())).toEqual(['task_k1', other, last])
  })

  test('keeps what it has claimed when the claim of further keys fails', async () => {
    await tables.pool.query(
      `insert into async_tasks (task_id, task_type, concurrency_key)
       select 'task_k' || n, 'keyed', 'long' from generate_series(1, 300) n`,
    )
    const proxy = await startFaultProxy(tables.database.url)
    const pool = createPool({ connectionString: proxy.url })
    try {
      const db = createDatabase(pool, { prepared: tables.database.prepared, schema: tables.database.schema })
      const made = new Claims(db, SOME_EXECUTOR, [keyed])
      const request = { limit: 10, capacity: [null], since: [null] }
      const failed = proxy.dropAnswerTo('tasks_claim_keys')
      expect(idsOf(await made.claimLimited(request, new Set(['keyed'])))).toEqual(['task_k1'])
      await failed
      // With nothing taken nothing would be lost, and whoever polls hears of it.
      const failedAgain = proxy.dropAnswerTo('tasks_claim_keys')
      await expect(made.claimLimited(request, new Set(['keyed']))).rejects.toThrow('Connection terminated')
      await failedAgain
    } finally {
      await endPool(pool, 1_000)
      await proxy.close()
    }
  })

  test('is busy when another claim locks it before the claim of further keys', async () => {
    await tables.pool.query(
      `insert into async_tasks (task_id, task_type, concurrency_key)
       select 'task_k' || n, 'keyed', 'long' from generate_series(1, 300) n`,
    )
    const last = await insert('keyed', { concurrency_key: 'other' })
    const client = await tables.pool.connect()
    const pool = slowPool(tables.pool, async ({ text }, send) => {
      if (!text.includes('/* tasks_claim_keys')) return send()
      await client.query('begin')
      await client.query(`select from async_task_types where task_type = 'keyed' for update`)
      try {
        return await send()
      } finally {
        await client.query('rollback')
      }
    })
    const made = new Claims(
      createDatabase(pool, { prepared: false, schema: tables.database.schema }),
      SOME_EXECUTOR,
      [keyed],
    )
    const request = { limit: 10, capacity: [null], since: [null] }
    try {
      const answer = await made.claimLimited(request, new Set(['keyed']))
      expect(idsOf(answer)).toEqual(['task_k1'])
      expect(answer.contended).toEqual(['keyed'])
    } finally {
      client.release()
    }
    const answer = await claims(keyed).limited()
    expect(idsOf(answer)).toEqual([last])
    expect(answer.contended).toEqual([])
  })

  test('takes tasks without a key one at a time', async () => {
    const first = await insert('keyed')
    await insert('keyed')
    const { limited } = claims(keyed)
    expect(idsOf(await limited())).toEqual([first])
    expect(idsOf(await limited())).toEqual([])
  })

  test('may have a limit for all keys together', async () => {
    for (const key of ['a', 'b', 'c']) await insert('keyed', { concurrency_key: key })
    const { limited } = claims({ ...keyed, globalConcurrency: 2 })
    expect((await limited()).tasks).toHaveLength(2)
    expect((await limited()).tasks).toHaveLength(0)
  })
})

describe('a type with a limit in each process', () => {
  test('claims no more than its capacity, and skips rows locked by another claim', async () => {
    const some: TypeLimits = { ...free, taskType: 'some', concurrency: 2 }
    const all = [await insert('some'), await insert('some'), await insert('some')]
    const { db } = tables.createManager()
    const made = new Claims(db, SOME_EXECUTOR, [some])
    const client = await tables.pool.connect()
    try {
      await client.query('begin')
      await client.query('select from async_tasks where task_id = $1 for update', [all[0]])
      const answer = await made.claim({ limit: 10, capacity: [1], since: [null] })
      expect(idsOf(answer)).toEqual([all[1]])
      expect((await made.claim({ limit: 10, capacity: [0], since: [null] })).tasks).toEqual([])
      await client.query('rollback')
    } finally {
      client.release()
    }
    expect(idsOf(await made.claim({ limit: 10, capacity: [5], since: [null] }))).toEqual([all[0], all[2]])
  })
})

test('a claim from a moment on leaves what was due before it', async () => {
  await insert('free', { run_at: '2024-01-01T00:00:00Z' })
  const late = await insert('free')
  const made = new Claims(tables.createManager().db, SOME_EXECUTOR, [free])
  const answer = await made.claim({ limit: 10, capacity: [null], since: ['2024-06-01T00:00:00Z'] })
  expect(idsOf(answer)).toEqual([late])
  expect(Math.abs(answer.at - Date.now())).toBeLessThan(60_000)
})

test('a paused type is not claimed, with or without a limit', async () => {
  await insert('three')
  await insert('free')
  await tables.pool.query(
    `insert into async_task_types (task_type, paused_at) values ('three', now()), ('free', now())`,
  )
  const { plain, limited } = claims(free, three)
  expect(await plain()).toMatchObject({ tasks: [], waiting: [] })
  expect((await limited()).tasks).toEqual([])
  await tables.pool.query('update async_task_types set paused_at = null')
  expect((await limited()).tasks).toHaveLength(2)
})
