import type pg from 'pg'
import { describe, expect, test } from 'vitest'
import type { Database } from '../../../src/db/database.ts'
import { ENGINE_MIGRATIONS } from '../../../src/db/engine-migrations.ts'
import { endsIn, runningIn, waitingIn } from '../../../src/engine/definition/figures.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { FigureCounter } from '../../../src/engine/maintenance/figure-counter.ts'
import type { TaskManager } from '../../../src/engine/manager/manager.ts'
import { TaskEvents } from '../../../src/engine/runtime/events.ts'
import {
  addFigures,
  countEndsByType,
  forgetFigures,
  readFigures,
  SOURCES,
} from '../../../src/engine/store/figures.ts'
import { useTaskTables } from '../../support/task-rows.ts'
import { sumFigures } from './sum-figures.ts'

describe('figures of processes', () => {
  const tables = useTaskTables()

  const addRun = async (db: Database) => {
    const run = { taskId: 'task_a', taskType: 'a', attempt: 1 }
    const events = new TaskEvents()
    const counter = new FigureCounter(db, events)
    events.emit('started', { ...run, waitedMs: 5 })
    events.emit('ended', { ...run, outcome: 'completed', durationMs: 1_000 })
    await counter.stop()
  }

  test('are in a few rows for each type and span, however many processes there are', async () => {
    const { db } = tables.createManager()
    await Promise.all(Array.from({ length: 40 }, () => addRun(db)))
    const { rows } = await tables.pool.query<{ span: number; source: number }>(
      'select distinct span_minutes as span, source from async_task_figures',
    )
    expect(new Set(rows.map(({ span }) => span))).toEqual(new Set([1, 15, 60]))
    const sources = new Set(rows.map(({ source }) => source))
    // All 40 in one has a probability of 8⁻³⁹.
    expect(sources.size).toBeGreaterThan(1)
    expect(sources.size).toBeLessThanOrEqual(SOURCES)
    // A stop waits a second for the counts, no longer.
    await expect.poll(async () => waitingIn(await sumFigures({ db }))?.count).toBe(40)
    const figures = await sumFigures({ db })
    expect(runningIn(figures)).toMatchObject({ count: 40 })
    expect(endsIn(figures).completed).toBe(40)
  })

  test('of old times are in their own spans, and ends that an earlier version counted are among those of minutes', async () => {
    const { db } = tables.createManager()
    const figures = [1]
    await addFigures(db, 0, [
      { ageMs: 0, taskType: 'a', figures },
      { ageMs: 30 * 60_000, taskType: 'a', figures },
      { ageMs: 3 * 3_600_000, taskType: 'b', figures },
    ])
    await tables.pool.query(
      `insert into async_task_minutes (minute, source, completed) values (date_trunc('minute', now()), gen_random_uuid(), 7)`,
    )
    expect(endsIn(await sumFigures({ db }, 1)).completed).toBe(2 + 7)
    expect(endsIn(await sumFigures({ db }, 1, 'a')).completed).toBe(2)
    expect(endsIn(await sumFigures({ db }, 15)).completed).toBe(3)
    const hours = await readFigures(db, { span: 60, count: 5, taskType: 'b' })
    expect(hours.map(({ figures }) => endsIn(figures).completed)).toEqual([0, 1, 0, 0, 0])
    expect(await countEndsByType(db)).toEqual(
      expect.arrayContaining([
        { taskType: 'a', completed: 1, failed: 0 },
        { taskType: null, completed: 7, failed: 0 },
      ]),
    )
  })

  test('of all types are added up by the migration where they are missing, and it may run again', async () => {
    const { db } = tables.createManager()
    await addFigures(db, 0, [
      { ageMs: 0, taskType: 'a', figures: [3, 1] },
      { ageMs: 0, taskType: 'b', figures: [4] },
    ])
    await tables.pool.query(`delete from async_task_figures where task_type = '' and span_minutes > 1`)
    expect(endsIn(await sumFigures({ db }, 15)).completed).toBe(0)
    // Of a process of this version, beside one that writes figures by type alone.
    await addFigures(db, 0, [{ ageMs: 0, taskType: 'a', figures: [1] }])
    const totals = ENGINE_MIGRATIONS.find(({ name }) => name === '0018_figure_totals')
    for (let run = 0; run < 2; run += 1) {
      await tables.pool.query(totals?.text ?? '')
      for (const span of [1, 15, 60] as const) {
        expect(endsIn(await sumFigures({ db }, span))).toMatchObject({ completed: 8, failed: 1 })
      }
    }
  })

  test('of a type without a name, as another program may insert it, spoil no others', async () => {
    const { db } = tables.createManager()
    await addFigures(db, 0, [
      { ageMs: 0, taskType: '', figures: [1, 2, 3] },
      { ageMs: 0, taskType: 'a', figures: [4, 0, 5] },
    ])
    expect(endsIn(await sumFigures({ db }))).toMatchObject({ completed: 4, failed: 0, cancelled: 5 })
  })

  test('outlive what a process of version 0.1.0 prunes', async () => {
    const { db } = tables.createManager()
    await addFigures(db, 0, [{ ageMs: 23 * 3_600_000, taskType: 'a', figures: [5] }])
    await tables.pool.query(`delete from async_task_minutes where minute < now() - interval '3 hours'`)
    expect(endsIn(await sumFigures({ db }, 15)).completed).toBe(5)
    expect(endsIn(await sumFigures({ db }, 60)).completed).toBe(5)
  })

  test('are kept as long as a range shows them', async () => {
    const { db } = tables.createManager()
    const ages = [1, 4, 47, 50, 191, 194].map((hours) => hours * 3_600_000)
    await addFigures(
      db,
      0,
      ages.map((ageMs) => ({ ageMs, taskType: 'a', figures: [1] })),
    )
    await forgetFigures(db)
    const { rows } = await tables.pool.query<{ span: number; rows: number }>(
      `select span_minutes as span, count(*)::int as rows from async_task_figures where task_type = 'a'
        group by 1 order by 1`,
    )
    expect(rows).toEqual([
      { span: 1, rows: 1 },
      { span: 15, rows: 3 },
      { span: 60, rows: 5 },
    ])
  })
})

describe('tasks that expired are counted by those who take their unique keys', () => {
  const tables = useTaskTables()
  const job = createTaskRegistry().task('job')(() => {})

  async function addExpired(manager: TaskManager, uniqueKey: string): Promise<void> {
    const { taskId } = await manager.createTask(
      job,
      {},
      { uniqueKey, expiresAt: new Date(Date.now() + 60_000) },
    )
    await tables.pool.query('update async_tasks set expires_at = now() where task_id = $1', [taskId])
  }

  const rowsOfHours = async () =>
    (
      await tables.pool.query(
        `select source from async_task_figures where span_minutes = 60 and task_type <> ''`,
      )
    ).rows

  test('in one row, if they come one after the other', async () => {
    const { manager, db } = tables.createManager()
    for (let i = 0; i < 20; i += 1) {
      await addExpired(manager, `key ${i}`)
      await manager.createTask(job, {}, { uniqueKey: `key ${i}` })
    }
    expect(endsIn(await sumFigures({ db })).cancelled).toBe(20)
    // The hour may have passed.
    expect((await rowsOfHours()).length).toBeLessThanOrEqual(2)
  })

  test('in rows of their own, if their transactions are open at once: none waits', async () => {
    const { manager, db } = tables.createManager()
    const count = SOURCES + 1
    for (let i = 0; i < count; i += 1) await addExpired(manager, `key ${i}`)
    const clients: pg.PoolClient[] = []
    try {
      for (let i = 0; i < count; i += 1) {
        const client = await tables.pool.connect()
        clients.push(client)
        await client.query('begin')
        await client.query(`set local lock_timeout = '10s'`)
        await manager.createTask(job, {}, { uniqueKey: `key ${i}`, tx: client })
      }
      for (const client of clients) await client.query('commit')
    } finally {
      for (const client of clients) client.release()
    }
    expect(endsIn(await sumFigures({ db })).cancelled).toBe(count)
    expect(new Set((await rowsOfHours()).map(({ source }) => source)).size).toBe(count)
  })
})
