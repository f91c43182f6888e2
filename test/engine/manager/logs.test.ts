import { describe, expect, test } from 'vitest'
import type { LogQuery, TaskManager } from '../../../src/engine/manager/manager.ts'
import { inStatus, useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()

const LEVELS = ['DEBUG', 'INFO', 'WARNING', 'ERROR'] as const

/** Lines 1 … count, all of one instant, their levels in turn. */
async function insertLines(taskId: string, count: number): Promise<void> {
  await tables.pool.query(
    `insert into async_task_logs (task_id, attempt, level, message)
     select $1, 1, ($3::text[])[1 + n % 4], 'line ' || n from generate_series(1, $2::int) n`,
    [taskId, count, [...LEVELS]],
  )
}

async function messages(manager: TaskManager, taskId: string, query: LogQuery): Promise<string[]> {
  return (await manager.listLogs(taskId, query)).logs.map((line) => line.message)
}

const lines = (from: number, to: number) => {
  const step = from <= to ? 1 : -1
  return Array.from({ length: Math.abs(to - from) + 1 }, (_, i) => `line ${from + step * i}`)
}

describe('logMessage', () => {
  test.each(['pending', 'running', 'completed', 'failed', 'cancelled'] as const)(
    'adds a line to a %s task and changes nothing else',
    async (status) => {
      const { manager } = tables.createManager()
      const other = await tables.insert()
      await insertLines(other, 2)
      const taskId = await tables.insert(inStatus(status))
      const before = await tables.read()
      for (const level of LEVELS)
        expect(await manager.logMessage(taskId, level, `said as ${level}`)).toBeUndefined()
      const { logs, ...others } = await tables.read()
      expect({ ...others, logs: logs.filter((line) => line.task_id === other) }).toEqual(before)
      const page = await manager.listLogs(taskId)
      expect(page).toMatchObject({ total: 4, page: 1, pageSize: 50 })
      expect(page.logs).toEqual(
        LEVELS.map((level) => ({
          id: expect.any(Number),
          level,
          message: `said as ${level}`,
          attempt: null,
          createdAt: expect.any(Date),
        })),
      )
    },
  )

  test('keeps what a row can hold', async () => {
    const { manager } = tables.createManager()
    const taskId = await tables.insert()
    await manager.logMessage(taskId, 'INFO', '贵州\n😀\u0000\ud800')
    await manager.logMessage(taskId, 'INFO', 'x'.repeat(10_001))
    await manager.logMessage(taskId, 'INFO', '')
    expect(await messages(manager, taskId, {})).toEqual(['贵州\n😀\ufffd\ufffd', 'x'.repeat(10_000), ''])
  })

  test.each<[string, unknown, unknown]>([
    ['/level', 'WARN', 'x'],
    ['/level', 'info', 'x'],
    ['/level', undefined, 'x'],
    ['/message', 'INFO', 7],
    ['/message', 'INFO', undefined],
  ])('refuses what is at %s of %j, %j', async (pointer, level, message) => {
    const { manager } = tables.createManager()
    const taskId = await tables.insert()
    await expect(manager.logMessage(taskId, level as 'INFO', message as string)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      problems: [{ pointer }],
    })
    expect((await tables.read()).logs).toEqual([])
  })
})

describe('listLogs', () => {
  test('pages in the order of writing; the total is that of the log, not of the page', async () => {
    const { manager } = tables.createManager()
    await insertLines(await tables.insert(), 7)
    const taskId = await tables.insert()
    await insertLines(taskId, 25)
    const page = await manager.listLogs(taskId, { pageSize: 10 })
    expect(page).toMatchObject({ total: 25, page: 1, pageSize: 10 })
    expect(page.logs.map((line) => line.message)).toEqual(lines(1, 10))
    expect(await messages(manager, taskId, { pageSize: 10, page: 3 })).toEqual(lines(21, 25))
    expect(await manager.listLogs(taskId, { pageSize: 10, page: 4 })).toMatchObject({ logs: [], total: 25 })
  })

  test('shows the newest first on demand', async () => {
    const { manager } = tables.createManager()
    const taskId = await tables.insert()
    await insertLines(taskId, 25)
    expect(await messages(manager, taskId, { pageSize: 10, order: 'desc' })).toEqual(lines(25, 16))
    expect(await messages(manager, taskId, { pageSize: 10, order: 'desc', page: 3 })).toEqual(lines(5, 1))
  })

  test('goes on after a line', async () => {
    const { manager } = tables.createManager()
    const taskId = await tables.insert()
    await insertLines(taskId, 10)
    const { logs } = await manager.listLogs(taskId, { pageSize: 4 })
    const afterId = logs.at(-1)?.id ?? 0
    expect(await messages(manager, taskId, { afterId })).toEqual(lines(5, 10))
    expect(await messages(manager, taskId, { afterId: 0, pageSize: 2 })).toEqual(lines(1, 2))
    expect(await messages(manager, taskId, { afterId: Number.MAX_SAFE_INTEGER })).toEqual([])
  })

  test.each(LEVELS)('shows the lines of level %s alone, and counts them', async (level) => {
    const { manager } = tables.createManager()
    const taskId = await tables.insert()
    await insertLines(taskId, 10)
    const expected = lines(1, 10).filter((_, i) => LEVELS[(i + 1) % 4] === level)
    const page = await manager.listLogs(taskId, { level, pageSize: 1 })
    expect(page.total).toBe(expected.length)
    expect(await messages(manager, taskId, { level })).toEqual(expected)
  })

  test('brings the fields of a line back', async () => {
    const { manager } = tables.createManager()
    const taskId = await tables.insert()
    await tables.pool.query(
      `insert into async_task_logs (task_id, attempt, level, message, data) values ($1, 3, 'INFO', 'said', $2)`,
      [taskId, '{"userId":7,"symbol":"000001","none":null}'],
    )
    const { logs } = await manager.listLogs(taskId)
    expect(logs).toMatchObject([{ attempt: 3, data: { userId: 7, symbol: '000001', none: null } }])
  })

  test('of a task without lines is an empty page', async () => {
    const { manager } = tables.createManager()
    const taskId = await tables.insert()
    expect(await manager.listLogs(taskId)).toEqual({ logs: [], total: 0, page: 1, pageSize: 50 })
  })

  test.each<[string, unknown]>([
    ['/page', { page: 0 }],
    ['/page', { page: Number.MAX_SAFE_INTEGER, pageSize: 10_000 }],
    ['/pageSize', { pageSize: 0 }],
    ['/pageSize', { pageSize: Number.NaN }],
    ['/level', { level: 'TRACE' }],
    ['/afterId', { afterId: -1 }],
    ['/afterId', { afterId: 2 ** 60 }],
    ['/order', { order: 'up' }],
  ])('refuses what is at %s of %j', async (pointer, query) => {
    const { manager } = tables.createManager()
    const taskId = await tables.insert()
    await expect(manager.listLogs(taskId, query as LogQuery)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      problems: [{ pointer }],
    })
  })
})

describe('the search in a log', () => {
  test('finds text of messages and fields in any case, in both orders, of a level or all', async () => {
    const { manager } = tables.createManager()
    const taskId = await tables.insert()
    await insertLines(taskId, 1_000)
    await tables.pool.query(
      `insert into async_task_logs (task_id, level, message, data) values ($1, 'ERROR', 'Straße 100%_', '{"KEY": "Wert"}')`,
      [taskId],
    )
    expect(await messages(manager, taskId, { q: 'LINE 100' })).toEqual(['line 100', 'line 1000'])
    expect(await messages(manager, taskId, { q: 'line 100', order: 'desc' })).toEqual([
      'line 1000',
      'line 100',
    ])
    expect(await messages(manager, taskId, { q: '0%_' })).toEqual(['Straße 100%_'])
    expect(await messages(manager, taskId, { q: 'key": "wert' })).toEqual(['Straße 100%_'])
    expect(await messages(manager, taskId, { q: 'line 100', level: 'DEBUG' })).toEqual([
      'line 100',
      'line 1000',
    ])
    expect(await messages(manager, taskId, { q: 'line 100', level: 'ERROR' })).toEqual([])
    expect(await manager.listLogs(taskId, { q: 'nowhere' })).toMatchObject({
      ...{ logs: [], total: 1_001, searched: 1_001, nextId: null },
    })
    await expect(manager.listLogs(taskId, { q: '' })).rejects.toThrow(/q/)
  })

  test('goes on where a page was full, and where a call has looked at enough', async () => {
    const { manager } = tables.createManager()
    const taskId = await tables.insert()
    await insertLines(taskId, 60_000)
    const first = await manager.listLogs(taskId, { q: 'line 1', pageSize: 2 })
    expect(first.logs.map(({ message }) => message)).toEqual(['line 1', 'line 10'])
    const next = await manager.listLogs(taskId, { q: 'line 1', pageSize: 2, afterId: first.nextId ?? 0 })
    expect(next.logs.map(({ message }) => message)).toEqual(['line 11', 'line 12'])
    const newest = await manager.listLogs(taskId, { q: 'line 3 ', order: 'desc' })
    expect(newest).toMatchObject({ logs: [], searched: 50_000, total: 60_000 })
    const older = await manager.listLogs(taskId, {
      ...{ q: 'line 3', order: 'desc', beforeId: newest.nextId ?? undefined, pageSize: 10_000 },
    })
    expect(older).toMatchObject({ searched: 10_000, nextId: null })
    expect(older.logs.at(-1)?.message).toBe('line 3')
  })

  test('positions of a log: before a line, after it, from an instant on', async () => {
    const { manager } = tables.createManager()
    const taskId = await tables.insert()
    await insertLines(taskId, 10)
    await tables.pool.query(
      `update async_task_logs set created_at = timestamptz '2026-01-01Z' + substr(message, 6)::int * interval '1 s'`,
    )
    const { logs } = await manager.listLogs(taskId)
    const fifth = logs[4]?.id ?? 0
    expect(await messages(manager, taskId, { beforeId: fifth, order: 'desc' })).toEqual(lines(4, 1))
    expect(await messages(manager, taskId, { afterId: fifth, pageSize: 2 })).toEqual(lines(6, 7))
    const since = new Date('2026-01-01T00:00:08Z')
    expect(await messages(manager, taskId, { since })).toEqual(lines(8, 10))
  })
})
