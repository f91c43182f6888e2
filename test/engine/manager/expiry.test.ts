import { describe, expect, test } from 'vitest'
import { withTransaction } from '../../../src/db/client.ts'
import { endsIn } from '../../../src/engine/definition/figures.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { FigureCounter } from '../../../src/engine/maintenance/figure-counter.ts'
import type { TaskManager } from '../../../src/engine/manager/manager.ts'
import { expireTasks } from '../../../src/engine/store/expire.ts'
import { inStatus, useTaskTables } from '../../support/task-rows.ts'
import { sumFigures } from '../maintenance/sum-figures.ts'

const tables = useTaskTables()

const { task } = createTaskRegistry()
const plain = task('plain')(() => {})

const create = () => tables.createManager([plain])
const LATER = new Date(Date.now() + 3_600_000)
const PAST = '2024-01-01T00:00:00Z'

const WAYS: [
  string,
  (options: object) => Promise<{ taskId: string; expiresAt: Date | null; created: boolean }>,
][] = [
  ['createTask', (options) => create().manager.createTask(plain, {}, options)],
  [
    'createTasks',
    async (options) =>
      (await create().manager.createTasks([{ task: plain, ...options }, { task: plain }]))[0],
  ],
  [
    'createTask with tx',
    (options) =>
      withTransaction(tables.pool, (tx) => create().manager.createTask(plain, {}, { ...options, tx })),
  ],
  [
    'createTasks with tx',
    (options) =>
      withTransaction(
        tables.pool,
        async (tx) => (await create().manager.createTasks([{ task: plain, ...options }], { tx }))[0],
      ),
  ],
]

describe.each(WAYS)('expiresAt of %s', (_name, createWith) => {
  test('is kept and shown', async () => {
    const created = await createWith({ expiresAt: LATER })
    expect(created.expiresAt).toEqual(LATER)
    expect((await create().manager.getTask(created.taskId))?.expiresAt).toEqual(LATER)
  })

  test('frees the unique key of a task that has expired, though it has not been ended yet', async () => {
    const holder = await tables.insert({ unique_key: 'k', expires_at: PAST })
    const other = await tables.insert({ unique_key: 'other', expires_at: PAST })
    const created = await createWith({ uniqueKey: 'k', expiresAt: LATER })
    expect(created).toMatchObject({ created: true, uniqueKey: 'k' })
    expect(created.taskId).not.toBe(holder)
    expect(await tables.row(holder)).toMatchObject({ status: 'cancelled', error_message: 'expired' })
    expect(await tables.row(other)).toMatchObject({ status: 'pending' })
    expect(await createWith({ uniqueKey: 'k' })).toMatchObject({ created: false, taskId: created.taskId })
  })

  test.each<[string, object, string]>([
    ['now', { expiresAt: new Date() }, '/expiresAt: must be in the future, got 20'],
    [
      'the past',
      { expiresAt: new Date(PAST) },
      '/expiresAt: must be in the future, got 2024-01-01T00:00:00.000Z',
    ],
    [
      'a time before the due time',
      { runAt: LATER, expiresAt: LATER },
      '/expiresAt: must be after the earliest start',
    ],
    [
      'a time before the delay',
      { delayMs: 7_200_000, expiresAt: LATER },
      '/expiresAt: must be after the earliest',
    ],
    ['a text', { expiresAt: LATER.toISOString() }, '/expiresAt'],
    ['no date', { expiresAt: new Date(Number.NaN) }, '/expiresAt'],
    ['null', { expiresAt: null }, '/expiresAt'],
  ])('refuses %s', async (_what, options, part) => {
    const refused = { code: 'INVALID_ARGUMENT', message: expect.stringContaining(part) }
    await expect(createWith(options)).rejects.toMatchObject(refused)
    expect((await tables.read()).tasks).toEqual([])
  })
})

test('a task without expiresAt has none', async () => {
  expect(await create().manager.createTask(plain)).toMatchObject({ expiresAt: null })
})

describe('expired tasks', () => {
  test('end cancelled, with the reason in task and log; no other task changes', async () => {
    const { manager, db } = create()
    const expired = await tables.insert({ expires_at: PAST, unique_key: 'k' })
    const retrying = await tables.insert({ expires_at: PAST, attempt: 1, retry_count: 1, run_at: LATER })
    const others = [
      await tables.insert(),
      await tables.insert({ expires_at: LATER }),
      await tables.insert({ ...inStatus('running'), expires_at: PAST }),
      await tables.insert({ ...inStatus('completed'), expires_at: PAST }),
      await tables.insert({ ...inStatus('failed'), expires_at: PAST }),
    ]
    const before = await Promise.all(others.map((taskId) => tables.row(taskId)))

    const ended = await expireTasks(db)
    expect(ended.toSorted((a, b) => a.attempt - b.attempt)).toEqual([
      { taskId: expired, taskType: 'inserted', attempt: 0 },
      { taskId: retrying, taskType: 'inserted', attempt: 1 },
    ])
    expect(await manager.getTask(expired)).toMatchObject({
      status: 'cancelled',
      error: 'expired',
      cancelledAt: expect.any(Date),
      completedAt: null,
      startedAt: null,
      attempts: [],
    })
    expect((await manager.listTasks({ status: ['cancelled'] })).tasks).toMatchObject([
      { taskId: retrying, error: 'expired', retryCount: 1 },
      { taskId: expired, error: 'expired' },
    ])
    expect((await manager.listLogs(expired)).logs).toMatchObject([
      { level: 'WARNING', message: 'expired: not started before 2024-01-01T00:00:00.000Z', attempt: null },
    ])
    expect(await Promise.all(others.map((taskId) => tables.row(taskId)))).toEqual(before)
    expect(await expireTasks(db)).toEqual([])
    expect(await manager.createTask(plain, {}, { uniqueKey: 'k' })).toMatchObject({ created: true })
  })

  test('that a transaction holds are left for later, and keep their unique key until then', async () => {
    const { manager, db } = create()
    const held = await tables.insert({ expires_at: PAST, unique_key: 'k' })
    const free = await tables.insert({ expires_at: PAST })
    await withTransaction(tables.pool, async (client) => {
      await client.query('select from async_tasks where task_id = $1 for update', [held])
      expect(await expireTasks(db)).toMatchObject([{ taskId: free, attempt: 0 }])
      const found = await manager.createTask(plain, {}, { uniqueKey: 'k' })
      expect(found).toMatchObject({ created: false, taskId: held })
    })
    expect(await expireTasks(db)).toMatchObject([{ taskId: held, attempt: 0 }])
  })

  test.each<[string, (manager: TaskManager) => Promise<unknown>]>([
    ['createTask', (manager) => manager.createTask(plain, {}, { uniqueKey: 'k' })],
    ['a replacement', (manager) => manager.createTask(plain, {}, { uniqueKey: 'k', onDuplicate: 'replace' })],
    ['createTasks', (manager) => manager.createTasks([{ task: plain, uniqueKey: 'k' }])],
  ])('whose unique key %s takes are announced and counted once', async (_name, takeKey) => {
    const { manager, events, db } = create()
    const figures = new FigureCounter(db, events)
    const heard: unknown[] = []
    manager.on('cancelled', (event) => heard.push(event))
    const taskId = await tables.insert({ unique_key: 'k', expires_at: PAST, attempt: 1 })
    await takeKey(manager)
    await expect.poll(() => heard).toEqual([{ taskId, taskType: 'inserted', attempt: 1, reason: 'expired' }])
    await figures.stop()
    expect(endsIn(await sumFigures({ db })).cancelled).toBe(1)
  })

  test('are retried by an operator without an expiry', async () => {
    const { manager, db } = create()
    const taskId = await tables.insert({ expires_at: PAST })
    await expireTasks(db)
    expect(await manager.retryTask(taskId)).toMatchObject({ status: 'pending', expiresAt: null, error: null })
    expect(await expireTasks(db)).toEqual([])
  })

  test('leave nothing behind where the transaction that wanted their key is rolled back', async () => {
    const { manager } = create()
    await tables.insert({ expires_at: PAST, unique_key: 'k' })
    const before = await tables.read()
    const work = withTransaction(tables.pool, async (tx) => {
      await manager.createTask(plain, {}, { uniqueKey: 'k', tx })
      throw new RangeError('rolled back')
    })
    await expect(work).rejects.toThrow(RangeError)
    expect(await tables.read()).toEqual(before)
  })
})
