import { describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { countHeldUp } from '../../support/held-up.ts'
import { inStatus, insertSteps, useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()
const { task } = createTaskRegistry()
const plain = task('plain')(() => undefined)
const other = task('other')(() => undefined)
const create = () => tables.createManager([plain, other])
const REPLACE = { uniqueKey: 'k', onDuplicate: 'replace' as const }
const HOUR_MS = 3_600_000

const msBetween = (from: Date, to: Date) => to.getTime() - from.getTime()

describe('onDuplicate: replace', () => {
  test('creates the first task; a later call gives it what it brings, and leaves the rest', async () => {
    const { manager } = create()
    const first = await manager.createTask(
      plain,
      { day: 1, old: true },
      { ...REPLACE, delayMs: 60_000, createdBy: 'u1', expiresAt: new Date(Date.now() + HOUR_MS) },
    )
    expect(first).toMatchObject({ created: true, replaced: false })
    await tables.set(first.taskId, { retry_count: 2, attempt: 3, error_message: 'no' })
    const changes = { priority: 7, delayMs: 2 * HOUR_MS, maxRetries: 9, timeoutSeconds: 5 }
    const second = await manager.createTask(plain, { day: 2, new: [1] }, { ...REPLACE, ...changes })
    expect(second).toMatchObject({
      ...{ created: false, replaced: true, taskId: first.taskId, createdAt: first.createdAt },
      ...{ params: { day: 2, new: [1] }, priority: 7, maxRetries: 9, timeoutSeconds: 5 },
      ...{ createdBy: 'u1', retryCount: 0, error: null, expiresAt: null },
    })
    expect(msBetween(second.createdAt, second.runAt)).toBeGreaterThanOrEqual(2 * HOUR_MS)
    const { created, replaced, ...detail } = second
    expect(await manager.getTask(first.taskId)).toEqual(detail)
    expect((await tables.read()).params).toHaveLength(2)
    expect((await tables.row(first.taskId))?.changed_at).not.toBeNull()
  })

  test('leaves a running task, and one of another type, and creates after an end', async () => {
    const { manager } = create()
    const running = await tables.insert({ ...inStatus('running'), unique_key: 'k', task_type: 'plain' })
    const pending = await tables.insert({ unique_key: 'k2', task_type: 'other' })
    const before = await tables.read()
    for (const [uniqueKey, taskId] of [
      ['k', running],
      ['k2', pending],
    ] as const) {
      const found = await manager.createTask(plain, { day: 2 }, { ...REPLACE, uniqueKey, priority: 3 })
      expect(found).toMatchObject({ taskId, created: false, replaced: false, priority: 0, params: {} })
    }
    expect(await tables.read()).toEqual(before)
    await tables.set(running, { ...inStatus('completed') })
    expect(await manager.createTask(plain, {}, REPLACE)).toMatchObject({ created: true, replaced: false })
  })

  test('forgets the steps, the sleep and the progress of the old params, and makes no started task expire', async () => {
    const { manager } = create()
    const progress = { progress: 2, total: 3, step: 'wait' }
    const started = { task_type: 'plain', attempt: 1, started_at: '2024-01-01T00:00:01Z', ...progress }
    const taskId = await tables.insert({
      ...started,
      unique_key: 'k',
      run_at: new Date(Date.now() + HOUR_MS),
    })
    const bystander = await tables.insert(started)
    for (const id of [taskId, bystander]) await insertSteps(tables.pool, id)
    const answer = await manager.createTask(
      plain,
      { day: 2 },
      { ...REPLACE, expiresAt: new Date(Date.now() + HOUR_MS) },
    )
    expect(answer).toMatchObject({ taskId, replaced: true, expiresAt: null, steps: [], stepCount: 0 })
    expect(answer).toMatchObject({ progress: 0, total: 0, step: null })
    const { created, replaced, ...detail } = answer
    expect(await manager.getTask(taskId)).toEqual(detail)
    expect(await manager.getTask(bystander)).toMatchObject({ stepCount: 2, ...progress })
  })

  test("leaves another creator's task, also of many calls at once", async () => {
    const { manager } = create()
    const { taskId } = await manager.createTask(plain, { of: 'u1' }, { ...REPLACE, createdBy: 'u1' })
    const before = await tables.read()
    const ofOther = { ...REPLACE, createdBy: 'u2' }
    const left = { taskId, created: false, replaced: false, params: { of: 'u1' } }
    expect(await manager.createTask(plain, { of: 'u2' }, ofOther)).toMatchObject(left)
    expect(await tables.read()).toEqual(before)
    const both = ['u1', 'u2'].map((createdBy) =>
      manager.createTask(plain, { of: createdBy }, { ...REPLACE, createdBy }),
    )
    expect((await Promise.all(both)).map(({ replaced }) => replaced)).toEqual([true, false])
    const items = ['u1', 'u2'].map((createdBy) => ({ task: plain, params: {}, ...REPLACE, createdBy }))
    const answers = await manager.createTasks(items)
    expect(answers.map(({ replaced }) => replaced)).toEqual([true, false])
    expect(await manager.createTask(plain, { of: 'none' }, REPLACE)).toMatchObject({
      replaced: true,
      createdBy: 'u1',
    })
  })

  test('puts a task off by maxDelayMs at most, from its creation', async () => {
    const { manager } = create()
    const { createdAt } = await manager.createTask(plain, {}, { ...REPLACE, delayMs: 5_000 })
    const replace = async (options: object) => {
      const { runAt } = await manager.createTask(plain, {}, { ...REPLACE, ...options })
      return msBetween(createdAt, runAt)
    }
    expect(await replace({ delayMs: HOUR_MS, maxDelayMs: 20_000 })).toBe(20_000)
    expect(await replace({ runAt: new Date(+createdAt + 15_000), maxDelayMs: 20_000 })).toBe(15_000)
    expect(await replace({ delayMs: HOUR_MS, maxDelayMs: 0 })).toBe(0)
    expect(await replace({ delayMs: HOUR_MS })).toBeGreaterThanOrEqual(HOUR_MS)
  })

  test('keeps the place of a task that is due, unless it is put off', async () => {
    const { manager } = create()
    const { runAt } = await manager.createTask(plain, {}, REPLACE)
    expect(await manager.createTask(plain, { day: 2 }, REPLACE)).toMatchObject({ runAt, params: { day: 2 } })
    const later = await manager.createTask(plain, {}, { ...REPLACE, delayMs: 1_000 })
    expect(msBetween(runAt, later.runAt)).toBeGreaterThanOrEqual(1_000)
  })

  test.each<[object, string]>([
    [{ onDuplicate: 'replace' }, "/onDuplicate: 'replace' needs a uniqueKey"],
    [{ uniqueKey: 'k', maxDelayMs: 1 }, "/maxDelayMs: is only for onDuplicate: 'replace'"],
    [{ ...REPLACE, maxDelayMs: -1 }, '/maxDelayMs: '],
  ])('refuses %o', async (options, message) => {
    const refused = create().manager.createTask(plain, {}, options)
    await expect(refused).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining(message),
    })
  })
})

test('a replacement of an expired task that is locked waits for the lock, and is created then', async () => {
  const { manager } = create()
  const expired = { task_type: 'plain', unique_key: 'k', expires_at: '2024-01-01T00:00:00Z' }
  const taskId = await tables.insert(expired)
  const client = await tables.pool.connect()
  try {
    await client.query('begin')
    await client.query('select from async_tasks where task_id = $1 for update', [taskId])
    const made = manager.createTask(plain, { day: 2 }, REPLACE)
    const lockWaits = async () =>
      (
        await tables.pool.query(`select from pg_stat_activity
         where datname = current_database() and wait_event_type = 'Lock' and query like '%lock_replaced%'`)
      ).rowCount
    await expect.poll(lockWaits, { interval: 10 }).toBe(1)
    await client.query('commit')
    expect(await made).toMatchObject({ created: true, replaced: false, params: { day: 2 } })
  } finally {
    client.release(true)
  }
  expect(await manager.getTask(taskId)).toMatchObject({ status: 'cancelled', error: 'expired' })
})

test.each([
  ['B', 'a'],
  ['\uffee', '\u{1f600}'],
])(
  'keys are locked in the order of code points, by creates and replacements: %s before %s',
  async (first, second) => {
    const { manager } = create()
    const items = [second, first].map((uniqueKey) => ({ task: plain, params: {}, ...REPLACE, uniqueKey }))
    for (const round of ['created', 'replaced'] as const) {
      const client = await tables.pool.connect()
      try {
        await client.query('begin')
        await (round === 'created'
          ? client.query(
              `insert into async_tasks (task_id, task_type, unique_key) values ('task_x', 'plain', $1)`,
              [first],
            )
          : client.query('select from async_tasks where unique_key = $1 for update', [first]))
        const made = manager.createTasks(items)
        await expect.poll(() => countHeldUp(tables.pool), { interval: 5 }).toBe(1)
        // The second key is free meanwhile.
        await client.query(`set local lock_timeout = '100ms'`)
        await (round === 'created'
          ? client.query(
              `insert into async_tasks (task_id, task_type, unique_key) values ('task_y', 'plain', $1)`,
              [second],
            )
          : client.query('select from async_tasks where unique_key = $1 for update', [second]))
        await client.query('rollback')
        expect((await made).map((one) => one[round])).toEqual([true, true])
      } finally {
        client.release(true)
      }
    }
  },
)
