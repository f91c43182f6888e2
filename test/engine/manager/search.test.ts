import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { TaskManager, TaskQuery } from '../../../src/engine/manager/manager.ts'
import { SEARCH_WINDOW } from '../../../src/engine/store/search.ts'
import { inStatus, useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()

const ids = async (manager: TaskManager, query: TaskQuery) =>
  (await manager.listTasks(query)).tasks.map(({ taskId }) => taskId)

/** All pages by cursor. */
async function walk(manager: TaskManager, query: TaskQuery) {
  const pages = []
  let cursor: string | null | undefined
  do {
    const page = await manager.listTasks({ ...query, ...(cursor ? { cursor } : {}) })
    pages.push(page)
    cursor = page.nextCursor
  } while (cursor !== null)
  return pages
}

describe('tasks are found', () => {
  test('by a part of their error, in any case and literally', async () => {
    const { manager } = tables.createManager()
    const failed = await tables.insert({ ...inStatus('failed'), error_message: 'HTTP 503 (100 %_x)' })
    await tables.insert({ ...inStatus('failed'), error_message: 'HTTP 404' })
    const retried = await tables.insert({ error_message: 'http 503 again' })
    await tables.insert(inStatus('completed'))
    expect(await ids(manager, { error: 'http 503' })).toEqual([retried, failed])
    expect(await ids(manager, { error: '0 %_x' })).toEqual([failed])
    expect(await ids(manager, { error: '%', status: ['pending'] })).toEqual([])
    expect(await ids(manager, { error: '503', status: ['completed'] })).toEqual([])
  })

  test('by the value of a param: a text, number, boolean or null', async () => {
    const params = z.object({ invoice: z.string(), size: z.unknown(), inner: z.unknown() }).partial()
    const job = createTaskRegistry().task('job', { params })(() => {})
    const { manager } = tables.createManager([job])
    const create = async (given: object) => (await manager.createTask('job', given as never)).taskId
    const a = await create({ invoice: 'INV-17', size: 3 })
    const b = await create({ invoice: 'INV-171', size: '3' })
    const c = await create({ invoice: 'a:b "c"', size: null, inner: { invoice: 'INV-17' } })
    const d = await create({ size: true })
    expect(await ids(manager, { param: 'invoice:INV-17' })).toEqual([a])
    expect(await ids(manager, { param: 'invoice:a:b "c"' })).toEqual([c])
    expect(await ids(manager, { param: 'size:3' })).toEqual([b, a])
    expect(await ids(manager, { param: 'size:3.0' })).toEqual([a])
    expect(await ids(manager, { param: 'size:null' })).toEqual([c])
    expect(await ids(manager, { param: 'size:true' })).toEqual([d])
    expect(await ids(manager, { param: 'nothing:INV-17' })).toEqual([])
    expect(await ids(manager, { param: 'invoice:' })).toEqual([])
  })

  test('by their unique key, also when they have ended, and by their executor', async () => {
    const { manager } = tables.createManager()
    const executorId = randomUUID()
    const old = await tables.insert({
      ...inStatus('completed'),
      unique_key: 'nightly',
      executor_id: executorId,
    })
    const now = await tables.insert({ unique_key: 'nightly' })
    await tables.insert({ ...inStatus('running'), unique_key: 'nightly 2' })
    expect(await ids(manager, { uniqueKey: 'nightly' })).toEqual([now, old])
    expect(await ids(manager, { executorId })).toEqual([old])
    expect(await ids(manager, { executorId, status: ['pending'] })).toEqual([])
    expect(await ids(manager, { executorId: executorId.toUpperCase(), uniqueKey: 'nightly' })).toEqual([old])
  })
})

describe('what is redacted', () => {
  const params = z.object({ card: z.string(), note: z.string() })

  test('cannot be searched for: a param of one type or of all', async () => {
    const { task } = createTaskRegistry()
    const pay = task('pay', { params, redact: ['card'] })(() => {})
    const mail = task('mail', { params })(() => {})
    const { manager } = tables.createManager([pay, mail])
    const both = { card: '4111', note: 'x' }
    const paid = await manager.createTask(pay, both)
    const mailed = await manager.createTask(mail, both)
    expect(await ids(manager, { param: 'card:4111' })).toEqual([mailed.taskId])
    expect(await ids(manager, { param: 'note:x' })).toEqual([mailed.taskId, paid.taskId])
    const strict = tables.createManager([pay, mail], { redact: ['card.number'] }).manager
    await expect(strict.listTasks({ param: 'card:4111' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      problems: [{ pointer: '/param', detail: expect.stringContaining('redacted') }],
    })
  })

  test('is no unique key to search for where a key contains it, and is in no count', async () => {
    const { task } = createTaskRegistry()
    const pay = task('pay', { params, redact: ['card'] })(() => {})
    const { manager } = tables.createManager([pay])
    await manager.createTask(pay, { card: '4111', note: 'x' }, { uniqueKey: 'pay 4111' })
    const other = await manager.createTask(pay, { card: '4222', note: 'x' }, { uniqueKey: 'pay x' })
    expect(await manager.listTasks({ uniqueKey: 'pay 4111', pageSize: 1 })).toMatchObject({
      tasks: [],
      total: 0,
      nextCursor: null,
    })
    expect(await ids(manager, { uniqueKey: 'pay x' })).toEqual([other.taskId])
  })
})

describe('sorting', () => {
  const at = (seconds: number) => new Date(Date.UTC(2024, 0, 1, 0, 0, seconds))

  test('puts the longest, latest and most first, and tasks without a value last', async () => {
    const { manager } = tables.createManager()
    const ended = { ...inStatus('completed'), run_at: at(0) }
    const quick = await tables.insert({ ...ended, started_at: at(50), completed_at: at(51), attempt: 3 })
    const slow = await tables.insert({ ...ended, started_at: at(5), completed_at: at(45), attempt: 1 })
    const cancelled = await tables.insert({
      ...ended,
      status: 'cancelled',
      completed_at: null,
      cancelled_at: at(60),
      started_at: at(40),
      attempt: 2,
    })
    const later = await tables.insert({ run_at: new Date(Date.now() + 3_600_000) })
    const due = await tables.insert({ run_at: at(0) })
    expect(await ids(manager, { sort: 'duration' })).toEqual([slow, cancelled, quick, due, later])
    expect(await ids(manager, { sort: 'ended' })).toEqual([cancelled, quick, slow, due, later])
    expect(await ids(manager, { sort: 'waiting' })).toEqual([due, quick, cancelled, slow, later])
    expect(await ids(manager, { sort: 'attempts' })).toEqual([quick, cancelled, slow, due, later])
    expect(await ids(manager, { sort: 'created' })).toEqual([due, later, cancelled, slow, quick])
    const running = await tables.insert({ ...inStatus('running'), started_at: at(0) })
    expect(await ids(manager, { sort: 'duration', pageSize: 1 })).toEqual([running])
  })

  test('pages by cursor show each task once, while new ones come', async () => {
    const { manager } = tables.createManager()
    await tables.pool.query(
      `insert into async_tasks (task_id, task_type, status, attempt, completed_at)
       select 'task_s' || n, 'a', 'completed', n * 7 % 11, now() from generate_series(1, 25) n`,
    )
    const first = await manager.listTasks({ sort: 'attempts', pageSize: 10 })
    await tables.insert({ ...inStatus('completed'), attempt: 99 })
    const query = { sort: 'attempts', pageSize: 10 } as const
    const second = await manager.listTasks({ ...query, cursor: first.nextCursor ?? '' })
    const third = await manager.listTasks({ ...query, cursor: second.nextCursor ?? '' })
    const seen = [first, second, third].flatMap(({ tasks }) => tasks.map(({ taskId }) => taskId))
    expect(seen).toHaveLength(25)
    expect(new Set(seen).size).toBe(25)
    expect(third.nextCursor).toBeNull()
    expect(await ids(manager, { sort: 'attempts', pageSize: 10, page: 4 })).toEqual([])
  })
})

describe('over more tasks than one call reads', () => {
  const rows = SEARCH_WINDOW + 5_000

  const fill = () =>
    tables.pool.query(
      `insert into async_tasks (task_id, task_type, status, created_at, completed_at, error_message, attempt)
       select 'task_w' || n, 'type' || n % 2, 'failed', now() - n * interval '1 second', now(),
              case when n in (3, ${rows - 3}) then 'needle' else 'hay' end, n
         from generate_series(1, ${rows}) n`,
    )

  test('a search says how far it went, and goes on from there', async () => {
    await fill()
    const { manager } = tables.createManager()
    const [first, second, ...others] = await walk(manager, { error: 'needle' })
    expect(others).toEqual([])
    expect(first).toMatchObject({
      tasks: [{ taskId: 'task_w3' }],
      total: 1,
      totalIsEstimate: true,
      searched: { tasks: SEARCH_WINDOW, isComplete: false },
    })
    const ageMs = Date.now() - (first?.searched?.oldest?.getTime() ?? 0)
    expect(Math.abs(ageMs - SEARCH_WINDOW * 1_000)).toBeLessThan(600_000)
    expect(second).toMatchObject({
      tasks: [{ taskId: `task_w${rows - 3}` }],
      searched: { tasks: rows - SEARCH_WINDOW, isComplete: true },
      nextCursor: null,
    })
    // Other filters narrow what is searched, by their indexes.
    expect(await manager.listTasks({ error: 'needle', taskType: 'type1' })).toMatchObject({
      total: 2,
      searched: { tasks: rows / 2, isComplete: true },
      nextCursor: null,
    })
  })

  test('an order is that of the tasks of each call', async () => {
    await fill()
    const { manager } = tables.createManager()
    const first = await manager.listTasks({ sort: 'attempts', pageSize: 2 })
    expect(first.tasks.map(({ taskId }) => taskId)).toEqual([
      `task_w${SEARCH_WINDOW}`,
      `task_w${SEARCH_WINDOW - 1}`,
    ])
    expect(first.searched).toMatchObject({ tasks: SEARCH_WINDOW, isComplete: false })
    const last = Buffer.from(
      Buffer.from(first.nextCursor ?? '', 'base64url')
        .toString()
        .replace(/_\d+$/, `_${SEARCH_WINDOW - 2}`),
    ).toString('base64url')
    const end = await manager.listTasks({ sort: 'attempts', pageSize: 2, cursor: last })
    expect(end.tasks.map(({ taskId }) => taskId)).toEqual(['task_w2', 'task_w1'])
    const next = await manager.listTasks({ sort: 'attempts', pageSize: 1, cursor: end.nextCursor ?? '' })
    expect(next.tasks.map(({ taskId }) => taskId)).toEqual([`task_w${rows}`])
  })
})
