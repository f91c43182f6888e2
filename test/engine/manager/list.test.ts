import { describe, expect, test } from 'vitest'
import type { TaskManager, TaskQuery } from '../../../src/engine/manager/manager.ts'
import { inStatus, useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()

const ids = async (manager: TaskManager, query: TaskQuery) => {
  return (await manager.listTasks(query)).tasks.map((task) => task.taskId)
}

/** Pages by cursor until there is none left. */
async function walk(manager: TaskManager, query: TaskQuery): Promise<string[][]> {
  const pages: string[][] = []
  let cursor: string | null | undefined
  do {
    const page = await manager.listTasks({ ...query, ...(cursor ? { cursor } : {}) })
    pages.push(page.tasks.map((task) => task.taskId))
    cursor = page.nextCursor
  } while (cursor !== null)
  return pages
}

describe('listTasks', () => {
  test('shows tasks as summaries, newest first', async () => {
    const { manager } = tables.createManager()
    const older = await tables.insert({ ...inStatus('failed'), created_at: '2024-01-01T00:00:00Z' })
    const newer = await tables.insert({ ...inStatus('completed'), created_at: '2024-01-02T00:00:00.123456Z' })
    const page = await manager.listTasks()
    expect(page).toEqual({
      tasks: [
        {
          taskId: newer,
          taskType: 'inserted',
          status: 'completed',
          progress: 5,
          total: 5,
          percent: 100,
          step: 's',
          createdAt: new Date('2024-01-02T00:00:00.123Z'),
          startedAt: new Date('2024-01-01T00:00:01Z'),
          completedAt: new Date('2024-01-01T00:00:02Z'),
          cancelledAt: null,
          runAt: expect.any(Date),
          retryCount: 0,
          maxRetries: 3,
          error: null,
        },
        expect.objectContaining({
          taskId: older,
          status: 'failed',
          percent: 40,
          error: 'broken',
          retryCount: 3,
        }),
      ],
      total: 2,
      page: 1,
      pageSize: 50,
      nextCursor: null,
    })
  })

  test('of no tasks is an empty page', async () => {
    const { manager } = tables.createManager()
    expect(await manager.listTasks()).toEqual({
      tasks: [],
      total: 0,
      page: 1,
      pageSize: 50,
      nextCursor: null,
    })
  })

  test('pages, and returns whether another one follows', async () => {
    const { manager } = tables.createManager()
    const all: string[] = []
    for (let i = 0; i < 5; i++) all.unshift(await tables.insert())
    const first = await manager.listTasks({ pageSize: 2 })
    expect(first).toMatchObject({ total: 5, page: 1, pageSize: 2, nextCursor: expect.any(String) })
    expect(first.tasks.map((task) => task.taskId)).toEqual(all.slice(0, 2))
    expect(await ids(manager, { pageSize: 2, page: 2 })).toEqual(all.slice(2, 4))
    const last = await manager.listTasks({ pageSize: 2, page: 3 })
    expect(last.tasks.map((task) => task.taskId)).toEqual(all.slice(4))
    expect(last.nextCursor).toBeNull()
    expect(await manager.listTasks({ pageSize: 2, page: 9 })).toMatchObject({
      tasks: [],
      total: 5,
      nextCursor: null,
    })
    expect((await manager.listTasks({ pageSize: 5 })).nextCursor).toBeNull()
  })
})

describe('filters', () => {
  test('by one status and by several', async () => {
    const { manager } = tables.createManager()
    const byStatus = new Map<string, string>()
    for (const status of ['pending', 'running', 'completed', 'failed', 'cancelled'] as const) {
      byStatus.set(status, await tables.insert(inStatus(status)))
    }
    for (const status of ['pending', 'running', 'completed', 'failed', 'cancelled'] as const) {
      const page = await manager.listTasks({ status: [status] })
      expect(page.tasks.map((task) => task.taskId)).toEqual([byStatus.get(status)])
      expect(page.total).toBe(1)
    }
    expect(await ids(manager, { status: ['failed', 'pending'] })).toEqual([
      byStatus.get('failed'),
      byStatus.get('pending'),
    ])
    expect(await ids(manager, { status: [] })).toHaveLength(5)
  })

  test('by a whole type, and by the beginning of an id or a part of a type', async () => {
    const { manager } = tables.createManager()
    const a = await tables.insert({ task_id: 'task_abc1', task_type: 'send_report' })
    const b = await tables.insert({ task_id: 'task_abd2', task_type: 'send_report_weekly' })
    expect(await ids(manager, { taskType: 'send_report' })).toEqual([a])
    expect(await ids(manager, { taskType: 'send' })).toEqual([])
    expect(await ids(manager, { q: 'task_ab' })).toEqual([b, a])
    expect(await ids(manager, { q: 'task_abc' })).toEqual([a])
    expect(await ids(manager, { q: 'abc' })).toEqual([])
    expect(await ids(manager, { q: 'send_report' })).toEqual([b, a])
    expect(await ids(manager, { q: 'WEEK' })).toEqual([b])
    expect(await ids(manager, { q: 'week', taskType: 'send_report_weekly' })).toEqual([b])
    expect(await ids(manager, { q: 'week', taskType: 'send_report' })).toEqual([])
    expect(await ids(manager, { q: 'task_ab', taskType: 'send_report_weekly' })).toEqual([b])
    // A type may begin as ids do, and a task may match by both.
    const both = await tables.insert({ task_id: 'task_abx', task_type: 'task_ab_kind' })
    const running = await tables.insert({ ...inStatus('running'), task_type: 'only_task_ab_runs' })
    expect(await manager.listTasks({ q: 'task_ab' })).toMatchObject({ total: 4 })
    expect(await ids(manager, { q: 'task_ab' })).toEqual([running, both, b, a])
    expect(await ids(manager, { q: 'task_abx' })).toEqual([both])
  })

  test('by a part of more types than are walked one by one, and of one creator', async () => {
    const { manager } = tables.createManager()
    const made: string[] = []
    for (let n = 0; n < 25; n += 1) {
      made.unshift(await tables.insert({ task_type: `part_${n}`, created_by: n % 2 === 0 ? 'ada' : 'bob' }))
    }
    await tables.insert({ task_type: 'other' })
    expect(await ids(manager, { q: 'PART' })).toEqual(made)
    expect(await ids(manager, { q: 'art_2' })).toHaveLength(6)
    expect(await ids(manager, { q: 'part', createdBy: 'ada' })).toEqual(made.filter((_, i) => i % 2 === 0))
  })

  test.each(['%', '_', 'task%', 'task_ab_1', '\\', 'task\\_', "' or '1'='1", '😀'])(
    'finds nothing by %j: no pattern, no SQL',
    async (q) => {
      const { manager } = tables.createManager()
      await tables.insert({ task_id: 'task_abc1' })
      expect(await ids(manager, { q })).toEqual([])
      expect(await ids(manager, { taskType: q })).toEqual([])
    },
  )

  test('by time of creation: from the first instant on, up to and without the second', async () => {
    const { manager } = tables.createManager()
    const at = (ms: number) => new Date(Date.UTC(2024, 0, 1, 0, 0, 0, ms))
    const rows: string[] = []
    for (let i = 0; i < 4; i++) rows.push(await tables.insert({ created_at: at(i) }))
    expect(await ids(manager, { createdAfter: at(1), createdBefore: at(3) })).toEqual([rows[2], rows[1]])
    const empty = await manager.listTasks({ createdAfter: at(3), createdBefore: at(3) })
    expect(empty).toMatchObject({ tasks: [], total: 0 })
  })

  test('count in the total', async () => {
    const { manager } = tables.createManager()
    for (let i = 0; i < 3; i++) await tables.insert(inStatus('failed'))
    await tables.insert()
    expect(await manager.listTasks({ status: ['failed'], pageSize: 1, page: 2 })).toMatchObject({ total: 3 })
  })
})

describe('the cursor', () => {
  // A transaction's now() stands still: tasks that were created together share their instant.
  const together = `insert into async_tasks (task_id, task_type, created_at)
    select 'task_t' || n, 'twin', timestamptz '2024-01-01 00:00:00.000001+00' + (n / $2::int) * interval '1 microsecond'
      from generate_series(1, $1::int) n`

  test.each([
    [25, 25, 7],
    [60, 3, 7],
    [60, 10, 10],
    [8, 1, 1],
  ])(
    'over %d rows, %d to an instant, %d to a page shows each once and in order',
    async (rows, shared, pageSize) => {
      const { manager } = tables.createManager()
      await tables.pool.query(together, [rows, shared])
      const whole = await ids(manager, { pageSize: 200 })
      const pages = await walk(manager, { pageSize })
      expect(pages.flat()).toEqual(whole)
      expect(new Set(pages.flat()).size).toBe(rows)
      expect(pages.slice(0, -1).every((page) => page.length === pageSize)).toBe(true)
      expect(pages.at(-1)?.length).toBeGreaterThan(0)
    },
  )

  test('stays in its place while newer tasks come and seen ones go', async () => {
    const { manager } = tables.createManager()
    await tables.pool.query(together, [20, 20])
    const whole = await ids(manager, { pageSize: 200 })
    const first = await manager.listTasks({ pageSize: 10 })
    await tables.insert()
    await tables.pool.query('delete from async_tasks where task_id = any($1)', [whole.slice(3, 10)])
    const rest = await manager.listTasks({ pageSize: 10, cursor: first.nextCursor ?? '' })
    expect(rest.tasks.map((task) => task.taskId)).toEqual(whole.slice(10))
    expect(rest.nextCursor).toBeNull()
  })

  test('goes with filters, and beside it the page number moves nothing', async () => {
    const { manager } = tables.createManager()
    await tables.pool.query(together, [20, 5])
    await tables.pool.query(`update async_tasks set status = 'failed' where id % 2 = 0`)
    const query: TaskQuery = { status: ['failed'], pageSize: 3, page: 4 }
    const first = await manager.listTasks({ ...query, page: 1 })
    const second = await manager.listTasks({ ...query, cursor: first.nextCursor ?? '' })
    const all = await ids(manager, { status: ['failed'] })
    expect(all).toHaveLength(10)
    expect(second.tasks.map((task) => task.taskId)).toEqual(all.slice(3, 6))
    expect(second).toMatchObject({ total: 10 })
  })
})

describe('the total', () => {
  const many = `insert into async_tasks (task_id, task_type, status, completed_at)
    select 'task_m' || n, 'many', 'completed', now() from generate_series(1, $1::int) n`

  test('is exact up to 10,000 and an estimate beyond', async () => {
    const { manager } = tables.createManager()
    await tables.pool.query(many, [10_000])
    const exact = await manager.listTasks({ pageSize: 1 })
    expect(exact.total).toBe(10_000)
    expect(exact).not.toHaveProperty('totalIsEstimate')
    await tables.insert()
    expect(await manager.listTasks({ pageSize: 1 })).toMatchObject({ total: 10_000, totalIsEstimate: true })
    expect(await manager.listTasks({ pageSize: 1, taskType: 'many' })).not.toHaveProperty('totalIsEstimate')
  })
})

describe('a query that makes no sense', () => {
  test.each<[string, unknown]>([
    ['/page', { page: 0 }],
    ['/page', { page: -1 }],
    ['/page', { page: 1.5 }],
    ['/page', { page: Number.NaN }],
    ['/page', { page: '1' }],
    ['/page', { page: 2 ** 31, pageSize: 10_000 }],
    ['/pageSize', { pageSize: 0 }],
    ['/pageSize', { pageSize: 10_001 }],
    ['/pageSize', { pageSize: Number.POSITIVE_INFINITY }],
    ['/status/0', { status: ['done'] }],
    ['/status', { status: 'failed' }],
    ['/taskType', { taskType: 'a\u0000' }],
    ['/q', { q: 'a\u0000' }],
    ['/q', { q: '\ud800' }],
    ['/createdAfter', { createdAfter: new Date(Number.NaN) }],
    ['/createdAfter', { createdAfter: '2024-01-01' }],
    ['/createdBefore', { createdBefore: new Date(8.64e15) }],
    ['/createdBefore', { createdBefore: new Date(-8.64e15) }],
    ['/errorGroup', { errorGroup: 'x' }],
    ['/error', { error: '' }],
    ['/error', { error: 'x'.repeat(201) }],
    ['/param', { param: 'invoice' }],
    ['/param', { param: ':x' }],
    ['/param', { param: `a:${'x'.repeat(201)}` }],
    ['/uniqueKey', { uniqueKey: '' }],
    ['/executorId', { executorId: 'x' }],
    ['/sort', { sort: 'type' }],
    ['/cursor', { cursor: '' }],
    ['/cursor', { cursor: 'page2' }],
  ])('is refused at %s: %j', async (pointer, query) => {
    const { manager } = tables.createManager()
    await expect(manager.listTasks(query as TaskQuery)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      problems: [{ pointer }],
    })
  })

  test.each<[string, TaskQuery]>([
    ['the last page that can be named', { page: 2 ** 31 - 1, pageSize: 10_000 }],
    ['the year 1', { createdAfter: new Date('0001-01-01T00:00:00Z') }],
    ['the year 9999', { createdBefore: new Date('9999-12-31T23:59:59.999Z') }],
    [
      'the last cursor',
      { cursor: Buffer.from('253402300799999999_9223372036854775807').toString('base64url') },
    ],
    ['the first cursor', { cursor: Buffer.from('0_0').toString('base64url') }],
  ])('is not %s', async (_what, query) => {
    await expect(tables.createManager().manager.listTasks(query)).resolves.toMatchObject({ total: 0 })
  })
})
