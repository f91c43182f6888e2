import { describe, expect, test } from 'vitest'
import { endsIn, runningIn, waitingIn } from '../../../src/engine/definition/figures.ts'
import { FigureCounter } from '../../../src/engine/maintenance/figure-counter.ts'
import { TaskEvents } from '../../../src/engine/runtime/events.ts'
import { addFigures, readFigures } from '../../../src/engine/store/figures.ts'
import { useTaskTables } from '../../support/task-rows.ts'
import { sumFigures } from './sum-figures.ts'

describe('figures of processes', () => {
  const tables = useTaskTables()

  test('share one row for each type and span', async () => {
    const { db } = tables.createManager()
    const run = { taskId: 'task_a', taskType: 'a', attempt: 1 }
    for (let process = 0; process < 3; process += 1) {
      const events = new TaskEvents()
      const counter = new FigureCounter(db, events)
      events.emit('started', { ...run, waitedMs: 5 })
      events.emit('ended', { ...run, outcome: 'completed', durationMs: 1_000 })
      await counter.stop()
    }
    const { rows } = await tables.pool.query<{ span: number; rows: number }>(
      `select span_minutes as span, count(distinct source)::int as rows from async_task_minutes group by 1 order by 1`,
    )
    expect(rows).toEqual([1, 15, 60].map((span) => ({ span, rows: 1 })))
    const figures = await sumFigures({ db })
    expect(waitingIn(figures)).toMatchObject({ count: 3 })
    expect(runningIn(figures)).toMatchObject({ count: 3 })
    expect(endsIn(figures).completed).toBe(3)
  })

  test('of old times are in their own spans, and ends that an earlier version counted are among those of minutes', async () => {
    const { db } = tables.createManager()
    const figures = [1]
    await addFigures(db, [
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
  })
})
