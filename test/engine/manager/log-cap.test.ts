import { describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { trimLog } from '../../../src/engine/store/trim.ts'
import { createEngine, nextEvent } from '../../support/engine.ts'
import { captureStatements } from '../../support/plans.ts'
import { useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()

async function insertLines(taskId: string, from: number, to: number): Promise<void> {
  await tables.pool.query(
    `insert into async_task_logs (task_id, attempt, level, message, data)
     select $1, 1, 'INFO', 'line ' || n, '{"n":1}' from generate_series($2::int, $3::int) n`,
    [taskId, from, to],
  )
}

/** What is left of a log: of how many lines its note tells, and which follow. */
async function read(taskId: string) {
  const { logs } = await tables.createManager().manager.listLogs(taskId, { pageSize: 10_000 })
  const [first] = logs
  const said = logs.filter((line) => line.attempt !== null).map((line) => Number(line.message.slice(5)))
  return { first, said, count: logs.length }
}

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

describe('a log that is too long', () => {
  test('loses its oldest lines, and notes how many', async () => {
    const { db } = tables.createManager()
    const other = await tables.insert()
    await insertLines(other, 1, 300)
    const taskId = await tables.insert()
    await insertLines(taskId, 1, 300)
    const before = await tables.read(other)
    await trimLog(db, taskId, 200)
    const { first, said } = await read(taskId)
    expect(first).toMatchObject({
      level: 'WARNING',
      message: '100 older lines were removed',
      attempt: null,
      data: { removedLines: 100 },
    })
    expect(said).toEqual(range(101, 300))
    expect(await tables.read(other)).toEqual(before)
  })

  test('has one note, whatever has gone in how many steps', async () => {
    const { db } = tables.createManager()
    const taskId = await tables.insert()
    await insertLines(taskId, 1, 12_300)
    await trimLog(db, taskId, 200)
    await insertLines(taskId, 12_301, 12_350)
    await trimLog(db, taskId, 200)
    const { first, said, count } = await read(taskId)
    expect(first?.message).toBe('12150 older lines were removed')
    expect(said).toEqual(range(12_151, 12_350))
    expect(count).toBe(201)
  })

  test('keeps the ids of its lines, so that a follower misses and repeats nothing', async () => {
    const { db, manager } = tables.createManager()
    const taskId = await tables.insert()
    await insertLines(taskId, 1, 300)
    const { logs } = await manager.listLogs(taskId, { pageSize: 250 })
    const afterId = logs.at(-1)?.id ?? 0
    await trimLog(db, taskId, 200)
    const next = await manager.listLogs(taskId, { afterId, pageSize: 250 })
    expect(next.logs.map((line) => line.message)).toEqual(range(251, 300).map((n) => `line ${n}`))
  })

  test.each([1, 199, 200])('is none with %i of 200 lines', async (count) => {
    const { db } = tables.createManager()
    const taskId = await tables.insert()
    await insertLines(taskId, 1, count)
    const before = await tables.read()
    await trimLog(db, taskId, 200)
    expect(await tables.read()).toEqual(before)
  })

  test('is trimmed by several at once, and no line is lost', async () => {
    const { db } = tables.createManager()
    const taskId = await tables.insert()
    await insertLines(taskId, 1, 1_000)
    await Promise.all(Array.from({ length: 6 }, () => trimLog(db, taskId, 200)))
    await insertLines(taskId, 1_001, 1_010)
    await trimLog(db, taskId, 200)
    const { first, said } = await read(taskId)
    expect(first?.data).toEqual({ removedLines: 810 })
    expect(said).toEqual(range(811, 1_010))
  })

  test('of a task that is deleted meanwhile is no error', async () => {
    const { db } = tables.createManager()
    await trimLog(db, 'task_none', 200)
    expect((await tables.read()).logs).toEqual([])
  })
})

describe('the cap', () => {
  test('holds for a handler that never ends, over its attempts, to within a tenth', async () => {
    const { task } = createTaskRegistry()
    const LINES = 150
    const ATTEMPTS = 6
    const chatty = task('chatty', { maxRetries: ATTEMPTS - 1, retryBaseMs: 0 })((_params, ctx) => {
      for (let i = 1; i <= LINES; i += 1) ctx.log.info(`line ${(ctx.attempt - 1) * LINES + i}`)
      if (ctx.attempt < ATTEMPTS) throw new Error('again')
    })
    const { executor, manager } = createEngine(tables.database, [chatty], { maxLogLines: 200 })
    executor.start()
    try {
      const { taskId } = await manager.createTask(chatty)
      await manager.waitFor(taskId)
      await executor.stop()
      const { logs } = await manager.listLogs(taskId, { pageSize: 10_000 })
      expect(logs.length).toBeLessThanOrEqual(200 * 1.1 + 1)
      expect(logs.length).toBeGreaterThanOrEqual(200)
      expect(logs[0]).toMatchObject({
        level: 'WARNING',
        message: expect.stringMatching(/^\d+ older lines were removed$/),
      })
      // Each failure says so as well, in the statement that ends the attempt.
      const { removedLines = 0 } = (logs[0]?.data ?? {}) as { removedLines?: number }
      expect(removedLines + logs.length - 1).toBe(LINES * ATTEMPTS + ATTEMPTS - 1)
      expect(logs.at(-1)?.message).toBe(`line ${LINES * ATTEMPTS}`)
    } finally {
      await executor.stop()
    }
  })

  test('holds for lines from outside a run', async () => {
    const { manager } = tables.createManager([], { maxLogLines: 100 })
    const taskId = await tables.insert()
    for (let i = 1; i <= 250; i += 1) await manager.logMessage(taskId, 'INFO', `line ${i}`)
    const { logs } = await manager.listLogs(taskId, { pageSize: 200 })
    expect(logs.length).toBeLessThanOrEqual(111)
    expect(logs[0]?.message).toMatch(/older lines were removed/)
    expect(logs.at(-1)?.message).toBe('line 250')
  })

  test('costs no statement before a tenth of it was written', async () => {
    const { manager } = tables.createManager([], { maxLogLines: 1_000 })
    const taskId = await tables.insert()
    let statements = await captureStatements(tables.pool, async () => {
      for (let i = 0; i < 99; i += 1) await manager.logMessage(taskId, 'INFO', 'x')
    })
    // Of an executor of an earlier test one may be on its way still.
    const looks = () => statements.filter(({ text }) => text.includes('tasks_trim_log'))
    expect(looks()).toEqual([])
    statements = await captureStatements(tables.pool, () => manager.logMessage(taskId, 'INFO', 'x'))
    expect(looks()).toHaveLength(1)
  })

  test('that cannot be kept for the moment does not fail the line', async () => {
    const { manager, events } = tables.createManager([], { maxLogLines: 100 })
    const taskId = await tables.insert()
    await insertLines(taskId, 1, 200)
    await tables.pool.query(
      `create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$;
       create trigger refuse before delete on async_task_logs for each row execute function refuse()`,
    )
    const failed = nextEvent(events, 'writeFailed')
    for (let i = 0; i < 10; i += 1) await manager.logMessage(taskId, 'INFO', 'x')
    expect((await failed).what).toBe('the cap of a log')
    await tables.pool.query('drop function refuse cascade')
    await manager.logMessage(taskId, 'INFO', 'x')
    expect((await read(taskId)).count).toBe(101)
  })
})
