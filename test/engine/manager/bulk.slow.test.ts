import { describe, expect, test } from 'vitest'
import type { BulkAction, BulkRequest } from '../../../src/contract/bulk.ts'
import { TASK_STATUSES, type TaskStatus } from '../../../src/contract/task.ts'
import { captureStatements } from '../../support/plans.ts'
import { inStatus, SOME_EXECUTOR, type StoredRow, useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()

const ACTIONS = ['cancel', 'retry', 'delete'] as const

const UNFINISHED = { pending: 'TASK_NOT_FINISHED', running: 'TASK_NOT_FINISHED' } as const

/** With what each action is refused; it does what is not here. */
const CODES: Record<BulkAction, Partial<Record<TaskStatus, string>>> = {
  cancel: { completed: 'TASK_ALREADY_FINISHED', failed: 'TASK_ALREADY_FINISHED' },
  retry: UNFINISHED,
  delete: UNFINISHED,
}

const answerOf = (taskId: string, code: string | undefined) =>
  code === undefined ? { taskId, ok: true } : { taskId, ok: false, code }

/** What one of each status gets, where the first is pending. */
const doneTo = (action: BulkAction, taskIds: readonly string[]) =>
  TASK_STATUSES.map((status, i) => ({
    ...answerOf(taskIds[i] ?? '', CODES[action][status]),
    ...(action === 'cancel' && status === 'pending' && { wasPending: true }),
  }))

/** A task in each status. */
async function insertOneOfEach(columns: StoredRow = {}): Promise<string[]> {
  const taskIds: string[] = []
  for (const status of TASK_STATUSES) taskIds.push(await tables.insert({ ...inStatus(status), ...columns }))
  return taskIds
}

/** As many in one status, the first the oldest. */
async function insertMany(count: number, status: TaskStatus, taskType = 'many'): Promise<string[]> {
  const { rows } = await tables.pool.query<{ taskId: string }>(
    `insert into async_tasks (task_id, task_type, status, attempt, executor_id, started_at, created_at)
     select 'task_m' || md5($3 || $2 || n), $3, $2, 1, $4, now(), now() - interval '1 hour' + n * interval '1 ms'
       from generate_series(1, $1::int) n
     returning task_id as "taskId"`,
    [count, status, taskType, SOME_EXECUTOR],
  )
  return rows.map((row) => row.taskId)
}

describe.each(ACTIONS)('bulk %s', (action) => {
  /** In which every action changes a task. */
  const changeable = action === 'cancel' ? 'running' : 'failed'

  test('does to each task what the single call does, and returns results in the order given', async () => {
    const single = tables.createManager()
    const alone = {
      cancel: (taskId: string) => single.manager.cancelTask(taskId),
      retry: (taskId: string) => single.manager.retryTask(taskId),
      delete: (taskId: string) => single.manager.deleteTask(taskId),
    }[action]
    const those = await insertOneOfEach()
    const same = await insertOneOfEach()
    const untouched = await insertOneOfEach()
    const before = await Promise.all(untouched.map((taskId) => tables.read(taskId)))
    await Promise.all(those.map((taskId) => alone(taskId).catch(() => {})))

    const { results, more } = await single.manager.bulk({
      action,
      taskIds: [...same, 'task_none', 'x\u0000'],
    })
    expect(more).toBe(false)
    expect(results).toEqual([
      ...doneTo(action, same),
      answerOf('task_none', 'TASK_NOT_FOUND'),
      answerOf('x\u0000', 'TASK_NOT_FOUND'),
    ])
    for (const [i, taskId] of same.entries()) {
      expect(comparable(await tables.read(taskId))).toEqual(comparable(await tables.read(those[i])))
    }
    expect(await Promise.all(untouched.map((taskId) => tables.read(taskId)))).toEqual(before)
  })

  test('returns in a dry run what it would do, and changes nothing', async () => {
    const { manager, events } = tables.createManager()
    events.on('cancelled', () => expect.unreachable('nothing was cancelled'))
    events.on('created', () => expect.unreachable('nothing was retried'))
    const taskIds = await insertOneOfEach()
    const before = await tables.read()
    const { results } = await manager.bulk({ action, taskIds: [...taskIds, 'task_none'], dryRun: true })
    expect(await tables.read()).toEqual(before)
    expect(results).toEqual([...doneTo(action, taskIds), answerOf('task_none', 'TASK_NOT_FOUND')])
  })

  test('takes a thousand tasks in one statement', async () => {
    const { manager } = tables.createManager()
    const taskIds = await insertMany(1_000, changeable)
    const statements = await captureStatements(tables.pool, async () => {
      const { results } = await manager.bulk({ action, taskIds })
      expect(results).toEqual(taskIds.map((taskId) => ({ taskId, ok: true })))
    })
    expect(statements).toHaveLength(1)
  })

  test('returns one result for a task that is named twice', async () => {
    const { manager } = tables.createManager()
    const [taskId = ''] = await insertMany(1, changeable)
    expect((await manager.bulk({ action, taskIds: [taskId, taskId] })).results).toEqual([
      { taskId, ok: true },
    ])
  })

  test('at the same time and in any order changes each task once, and never waits in a circle', async () => {
    const { manager, events } = tables.createManager()
    const taskIds = await insertMany(300, changeable)
    let changes = 0
    events.on('cancelled', () => (changes += 1))
    events.on('created', (event) => (changes += event.taskIds.length))
    const orders = [taskIds, taskIds.toReversed(), taskIds.toSorted(), taskIds.toSorted().toReversed()]
    const answers = await Promise.all(orders.map((order) => manager.bulk({ action, taskIds: order })))
    if (action !== 'delete') expect(changes).toBe(300)
    const oks = answers.flatMap(({ results }) => results).filter(({ ok }) => ok).length
    // Cancelling what has been cancelled is no error.
    expect(oks).toBe(action === 'cancel' ? 1_200 : 300)
  })

  describe('of a filter', () => {
    test('takes the newest that fit and allow it, a thousand a call, and returns whether there are more', async () => {
      const { manager } = tables.createManager()
      const status = action === 'cancel' ? 'pending' : 'failed'
      const taskIds = (await insertMany(1_200, status)).toReversed()
      await insertMany(3, status, 'other')
      await insertMany(3, action === 'cancel' ? 'completed' : 'pending')
      const ask: BulkRequest = { action, filter: { taskType: 'many' } }
      const ids = ({ results }: { results: { taskId: string }[] }) => results.map(({ taskId }) => taskId)

      const dry = await manager.bulk({ ...ask, dryRun: true })
      expect(dry.more).toBe(true)
      expect(ids(dry)).toEqual(taskIds.slice(0, 1_000))
      const first = await manager.bulk(ask)
      expect(first).toEqual(dry)
      const second = await manager.bulk(ask)
      expect(second.more).toBe(false)
      expect(ids(second)).toEqual(taskIds.slice(1_000))
      expect(await manager.bulk(ask)).toEqual({ results: [], more: false })
    })

    test.each<[string, BulkRequest['filter']]>([
      ['status', { status: ['running', 'completed'] }],
      ['type', { taskType: 'wanted' }],
      ['beginning of the id', { q: 'task_wanted' }],
      ['time', { createdAfter: new Date('2030-01-01'), createdBefore: new Date('2031-01-01') }],
    ])('heeds %s', async (_what, filter = {}) => {
      const { manager } = tables.createManager()
      await insertOneOfEach()
      for (const [i, status] of TASK_STATUSES.entries()) {
        await tables.insert({
          ...inStatus(status),
          ...{ task_id: `task_wanted${i}`, task_type: 'wanted', created_at: `2030-01-02T00:00:0${i}Z` },
        })
      }
      const { tasks } = await manager.listTasks(filter)
      const expected = tasks.filter(
        ({ status }) =>
          CODES[action][status] === undefined &&
          !(action === 'cancel' && status === 'cancelled') &&
          // A rerun of what went well must be asked for by name.
          !(action === 'retry' && status === 'completed' && !filter.status),
      )
      const { results } = await manager.bulk({ action, filter, dryRun: true })
      expect(results.map(({ taskId }) => taskId)).toEqual(expected.map(({ taskId }) => taskId))
      expect(results.every(({ ok }) => ok)).toBe(true)
    })
  })
})

test('bulk cancel announces each run, so that its signal aborts', async () => {
  const { manager, events } = tables.createManager()
  const heard: unknown[] = []
  events.on('cancelled', (event) => heard.push(event))
  const running = await tables.insert(inStatus('running'))
  const pending = await tables.insert()
  const failed = await tables.insert(inStatus('failed'))
  await manager.bulk({ action: 'cancel', taskIds: [running, pending, failed] })
  expect(heard).toHaveLength(2)
  expect(heard).toEqual(
    expect.arrayContaining([
      { taskId: running, taskType: 'inserted', attempt: 1, wasPending: false },
      { taskId: pending, taskType: 'inserted', attempt: 0, wasPending: true },
    ]),
  )
})

describe('bulk retry', () => {
  test('waits for handlers that have not returned, by id and by filter', async () => {
    const { manager } = tables.createManager()
    // A living executor, in which the handler of the first task has not returned.
    await tables.pool.query(
      `insert into async_task_executors (executor_id, host, pid, version, slots, task_types, lease_ms)
       values ($1, 'h', 1, 'v', 2, '{}', 30000)`,
      [SOME_EXECUTOR],
    )
    const stopping = await tables.insert({ ...inStatus('cancelled'), stopping: true })
    const stopped = await tables.insert(inStatus('cancelled'))
    for (const dryRun of [true, false]) {
      const { results } = await manager.bulk({ action: 'retry', taskIds: [stopping], dryRun })
      expect(results).toEqual([answerOf(stopping, 'TASK_STILL_STOPPING')])
    }
    const { results } = await manager.bulk({ action: 'retry', filter: {} })
    expect(results).toEqual([answerOf(stopped, undefined)])
  })

  test('announces all of them as one', async () => {
    const { manager, events } = tables.createManager()
    const heard: { taskIds: readonly string[]; taskTypes: readonly string[] }[] = []
    events.on('created', (event) => heard.push(event))
    const taskIds = await insertMany(20, 'failed')
    await manager.bulk({ action: 'retry', taskIds })
    expect(heard).toHaveLength(1)
    expect(heard[0]?.taskIds.toSorted()).toEqual(taskIds.toSorted())
    expect(heard[0]?.taskTypes).toEqual(taskIds.map(() => 'many'))
  })

  test('by filter leaves out tasks whose unique key is in use, so that asking again comes to an end', async () => {
    const { manager } = tables.createManager()
    const taskIds = await insertMany(1_105, 'failed')
    const [others, twins] = [taskIds.slice(0, 5), taskIds.slice(5)]
    const holder = await tables.insert({ unique_key: 'a' })
    await tables.pool.query(`update async_tasks set unique_key = 'a' where task_id = any($1::text[])`, [
      twins,
    ])
    const ask: BulkRequest = { action: 'retry', filter: { taskType: 'many' } }
    const results = others.toReversed().map((taskId) => ({ taskId, ok: true }))
    expect(await manager.bulk(ask)).toEqual({ results, more: false })
    await manager.bulk({ action: 'delete', taskIds: twins.slice(10, 1_010) })
    await manager.cancelTask(holder)
    // One of them has the key from then on.
    const once = await manager.bulk(ask)
    expect(once.results.filter(({ ok }) => ok)).toHaveLength(1)
    expect(await manager.bulk(ask)).toEqual({ results: [], more: false })
  })

  test('retries all others beside one whose unique key is in use', async () => {
    const { manager } = tables.createManager()
    await tables.pool.query(
      `create unique index one_unfinished on async_tasks (created_by) where status in ('pending', 'running')`,
    )
    try {
      const taskIds = await insertMany(20, 'failed')
      const [twin = '', first = '', second = ''] = taskIds
      const holder = await tables.insert({ created_by: 'a' })
      await tables.set(twin, { created_by: 'a' })
      await tables.set(first, { created_by: 'b' })
      await tables.set(second, { created_by: 'b' })
      const { results } = await manager.bulk({ action: 'retry', taskIds })
      const refused = results.filter(({ ok }) => !ok)
      expect(refused).toEqual([answerOf(twin, 'DUPLICATE_TASK'), answerOf(second, 'DUPLICATE_TASK')])
      expect(await tables.row(twin)).toMatchObject({ status: 'failed' })
      expect((await tables.read()).tasks.filter(({ status }) => status === 'pending')).toHaveLength(19)
      expect(await tables.row(holder)).toMatchObject({ status: 'pending', attempt: 0 })
    } finally {
      await tables.pool.query('drop index one_unfinished')
    }
  })
})

test.each<[string, object]>([
  ['/action', { action: 'pause', taskIds: ['task_1'] }],
  ['/action', { taskIds: ['task_1'] }],
  ['/taskIds', { action: 'cancel' }],
  ['/taskIds', { action: 'cancel', taskIds: ['task_1'], filter: {} }],
  ['/taskIds', { action: 'cancel', taskIds: [] }],
  ['/taskIds', { action: 'cancel', taskIds: Array.from({ length: 1_001 }, (_, i) => `task_${i}`) }],
  ['/taskIds/0', { action: 'cancel', taskIds: [7] }],
  ['/filter/status/0', { action: 'cancel', filter: { status: ['done'] } }],
  ['/filter', { action: 'delete', filter: { type: 'misspelt' } }],
  ['/filter/createdAfter', { action: 'cancel', filter: { createdAfter: 'yesterday' } }],
  ['/dryRun', { action: 'cancel', taskIds: ['task_1'], dryRun: 'no' }],
])('a bulk call refuses what is at %s of %.80j', async (pointer, request) => {
  const { manager } = tables.createManager()
  await insertOneOfEach()
  const before = await tables.read()
  await expect(manager.bulk(request as BulkRequest)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    problems: [{ pointer }],
  })
  expect(await tables.read()).toEqual(before)
})

const APART = new Set(['id', 'task_id', 'created_at', 'run_at', 'cancelled_at', 'ended_at'])

/** Everything but what tells two tasks apart. */
function comparable(read: Awaited<ReturnType<typeof tables.read>>): unknown {
  const text = JSON.stringify(read, (key, value) => (APART.has(key) && value !== null ? 'set' : value))
  return JSON.parse(text)
}
