import { randomUUID } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import type { Database } from '../../../src/db/database.ts'
import { ErrorCounts, errorGroupOf } from '../../../src/engine/definition/error-groups.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { FigureCounter } from '../../../src/engine/maintenance/figure-counter.ts'
import { findGroup, forgetGroups, listGroups, markGroup } from '../../../src/engine/store/error-groups.ts'
import { addFigures } from '../../../src/engine/store/figures.ts'
import { failUnknownTypes, rescueTasks } from '../../../src/engine/store/rescue.ts'
import { useEngines } from '../../support/engines.ts'
import { captureStatements } from '../../support/plans.ts'
import { useTaskTables } from '../../support/task-rows.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

describe('groups of errors', () => {
  const tables = useTaskTables()

  async function add(db: Database, ageMs: number, errors: readonly string[], taskType = 'a'): Promise<void> {
    const counts = new ErrorCounts()
    for (const [n, error] of errors.entries()) counts.add(taskType, `task_${n}`, error)
    await addFigures(
      db,
      0,
      [],
      counts.list().map((group) => ({ ...group, ageMs })),
    )
  }

  test('add up, with the first and the latest failure and those of each hour', async () => {
    const { db } = tables.createManager()
    await add(db, 0, ['row 1 is bad', 'row 2 is bad'])
    await add(db, 3 * HOUR_MS, ['row 3 is bad'])
    await add(db, 30 * HOUR_MS, ['row 4 is bad', 'late'])
    const [bad, late, ...others] = await listGroups(db, {})
    expect(others).toEqual([])
    expect(bad).toMatchObject({
      taskType: 'a',
      message: 'row # is bad',
      count: 4,
      failedTasks: 0,
      seenAt: null,
    })
    expect(bad?.hours).toEqual([...Array(20).fill(0), 1, 0, 0, 2])
    expect(bad).toMatchObject({ id: errorGroupOf('a', 'row 9 is bad') })
    const spanMs = (bad?.lastAt.getTime() ?? 0) - (bad?.firstAt.getTime() ?? 0)
    expect(Math.abs(spanMs - 30 * HOUR_MS)).toBeLessThan(60_000)
    expect(late).toMatchObject({ message: 'late', count: 1, hours: Array(24).fill(0) })
  })

  test('move on with the hours', async () => {
    const { db } = tables.createManager()
    await add(db, 0, ['late'])
    const moveBack = (hours: number) =>
      tables.pool.query(
        `update async_task_error_groups set hours_until = hours_until - $1 * interval '1 hour'`,
        [hours],
      )
    await moveBack(2)
    const hoursNow = async () => (await listGroups(db, {}))[0]?.hours
    expect(await hoursNow()).toEqual([...Array(21).fill(0), 1, 0, 0])
    await add(db, 0, ['late'])
    expect(await hoursNow()).toEqual([...Array(21).fill(0), 1, 0, 1])
    await moveBack(100)
    expect(await hoursNow()).toEqual(Array(24).fill(0))
    await add(db, 0, ['late'])
    expect(await hoursNow()).toEqual([...Array(23).fill(0), 1])
  })

  test('of a type are bounded, beside those of other types', async () => {
    const { db } = tables.createManager()
    const word = (n: number) => [...String(n)].map((digit) => 'abcdefghij'[Number(digit)]).join('')
    for (let batch = 0; batch < 3; batch += 1) {
      await add(
        db,
        0,
        Array.from({ length: 80 }, (_, n) => `no ${word(100 * batch + n)}`),
      )
    }
    await add(db, 0, ['late'], 'b')
    const groups = await listGroups(db, { taskType: 'a' })
    expect(groups).toHaveLength(101)
    expect(groups.reduce((total, { count }) => total + count, 0)).toBe(240)
    expect(groups.filter(({ message }) => message === null)).toMatchObject([{ count: 140 }])
    expect(await listGroups(db, { taskType: 'b' })).toMatchObject([{ message: 'late', count: 1 }])
    // Those of another day leave space for new ones, until the next prune.
    await tables.pool.query(`update async_task_error_groups set last_at = last_at - interval '2 days'`)
    await add(
      db,
      0,
      Array.from({ length: 100 }, (_, n) => `new ${word(n)}`),
    )
    const count = async () =>
      (await tables.pool.query(`select from async_task_error_groups where task_type = 'a'`)).rowCount
    expect(await count()).toBe(201)
    await forgetGroups(db, undefined)
    expect(await count()).toBe(200)
  })

  test('stay seen while they go on, and are new again when they are back after a day', async () => {
    const { db } = tables.createManager()
    await add(db, 0, ['late'])
    const { id = '' } = (await listGroups(db, {}))[0] ?? {}
    expect(await markGroup(db, id, true)).toBe(true)
    await add(db, 0, ['late'])
    expect((await findGroup(db, id))?.seenAt).toBeInstanceOf(Date)
    expect(await listGroups(db, { seen: false })).toEqual([])
    await tables.pool.query(`update async_task_error_groups set last_at = last_at - interval '25 hours'`)
    await add(db, 0, ['late'])
    expect(await findGroup(db, id)).toMatchObject({ seenAt: null, count: 3 })
  })

  test('are forgotten with the tasks of their time', async () => {
    const { db } = tables.createManager()
    await add(db, 31 * DAY_MS, ['old'])
    await add(db, 29 * DAY_MS, ['young'])
    await forgetGroups(db, 30 * DAY_MS)
    expect(await listGroups(db, {})).toMatchObject([{ message: 'young' }])
  })

  test('are the same for errors that SQL words as for the same text', async () => {
    const { db } = tables.createManager()
    const lost = { status: 'running', attempt: 12, started_at: new Date(), executor_id: randomUUID() }
    await tables.insert({ ...lost, task_type: 'x', max_retries: 0 })
    await tables.insert({ task_type: "o'clock", run_at: new Date(Date.now() - DAY_MS) })
    await rescueTasks(db)
    await failUnknownTypes(db, randomUUID(), 1)
    const { rows } = await tables.pool.query<{ type: string; error: string; group: string }>(
      `select task_type as type, error_message as error, error_group as group from async_tasks where status = 'failed'`,
    )
    expect(rows).toHaveLength(2)
    for (const { type, error, group } of rows) expect(group).toBe(errorGroupOf(type, error))
  })

  test('are written by the flush of the figures, in its one statement', async () => {
    const { db, events } = tables.createManager()
    const counter = new FigureCounter(db, events)
    const run = { taskId: 'task_a', taskType: 'a', attempt: 1, durationMs: 5 }
    for (const outcome of ['failed', 'timed_out'] as const)
      events.emit('ended', { ...run, outcome, error: 'late' })
    events.emit('ended', { ...run, outcome: 'completed' })
    const statements = await captureStatements(tables.pool, () => counter.flush())
    expect(statements.filter(({ text }) => text.includes('async_task_error_groups'))).toHaveLength(1)
    expect(statements).toHaveLength(1)
    await counter.stop()
    expect(await listGroups(db, {})).toMatchObject([{ message: 'late', count: 2, lastTaskId: 'task_a' }])
  })
})

describe('failed tasks of a real engine', () => {
  const engines = useEngines()

  test('are found by the group of their error, and retried as one', async () => {
    const { task } = createTaskRegistry()
    let mends = false
    const params = z.object({ row: z.int(), kind: z.string() })
    const load = task('load', { maxRetries: 1, params })(({ row, kind }) => {
      if (!mends) throw new Error(`row ${row} is ${kind}`)
    })
    const { manager, db, events } = engines.start([load], { retryBaseMs: 1, pollIntervalMs: 20 })
    const counter = new FigureCounter(db, events)
    const created = await manager.createTasks(
      Array.from({ length: 6 }, (_, row) => ({
        task: load,
        params: { row, kind: row < 4 ? 'bad' : 'worse' },
      })),
    )
    for (const { taskId } of created) await manager.waitFor(taskId)
    const groupsNow = async () => {
      await counter.flush()
      return manager.listErrorGroups()
    }
    // An end is counted after it can be seen.
    await expect
      .poll(async () =>
        (await groupsNow())
          .map(({ message, count, failedTasks }) => `${message}: ${count}, ${failedTasks}`)
          .sort(),
      )
      .toEqual(['row # is bad: 8, 4', 'row # is worse: 4, 2'])
    const groups = await groupsNow()
    const bad = groups.find(({ count }) => count === 8)?.id ?? ''
    const listed = await manager.listTasks({ errorGroup: bad })
    expect(listed.total).toBe(4)
    expect(new Set(listed.tasks.map(({ taskId }) => taskId))).toEqual(
      new Set(created.slice(0, 4).map(({ taskId }) => taskId)),
    )
    mends = true
    const { results } = await manager.bulk({ action: 'retry', filter: { errorGroup: bad } })
    expect(results).toHaveLength(4)
    for (const { taskId } of created.slice(0, 4)) {
      expect(await manager.waitFor(taskId)).toMatchObject({ status: 'completed', error: null })
    }
    expect((await manager.getErrorGroup(bad))?.failedTasks).toBe(0)
    expect(await manager.listTasks({ errorGroup: bad })).toMatchObject({ total: 0, tasks: [] })
    expect((await manager.listTasks({ status: ['failed'] })).total).toBe(2)
    await counter.stop()
  })
})
