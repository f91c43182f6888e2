import { describe, expect, test } from 'vitest'
import { RunRecorder } from '../../../src/engine/maintenance/run-recorder.ts'
import { forgetRuns } from '../../../src/engine/store/runs.ts'
import { OTHER_EXECUTOR, SOME_EXECUTOR, useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()
/** Four tasks run here. */
const runsSince = (taskId: string) => (/^task_[1-4]$/.test(taskId) ? performance.now() - 5_000 : undefined)
const runOf = (n: number) => ({ taskId: `task_${n}`, taskType: 'a', attempt: 1 })

describe('what an executor ran lately', () => {
  test('is listed with what it runs, of this executor alone', async () => {
    const { db, events, manager } = tables.createManager()
    const recorder = new RunRecorder(db, { id: SOME_EXECUTOR, runsSince }, events)
    events.emit('ended', { ...runOf(1), outcome: 'completed', durationMs: 1 })
    events.emit('ended', { ...runOf(2), outcome: 'failed', durationMs: 1, error: 'x' })
    events.emit('cancelled', runOf(3))
    // It has not run here.
    events.emit('cancelled', runOf(5))
    await recorder.stop()
    const started_at = new Date(Date.now() - 60_000)
    const running = await tables.insert({
      ...{ task_type: 'b', status: 'running', executor_id: SOME_EXECUTOR, attempt: 2, started_at },
    })
    const { runs, omitted } = await manager.listExecutorRuns(SOME_EXECUTOR)
    expect(runs.map(({ taskId, attempt, outcome }) => [taskId, attempt, outcome]).sort()).toEqual(
      [
        ['task_1', 1, 'completed'],
        ['task_2', 1, 'failed'],
        ['task_3', 1, 'cancelled'],
        [running, 2, null],
      ].sort(),
    )
    expect(omitted).toBe(0)
    const cancelled = runs.find(({ outcome }) => outcome === 'cancelled')
    expect(Number(cancelled?.endedAt) - Number(cancelled?.startedAt)).toBeGreaterThanOrEqual(5_000)
    expect(runs.at(-1)).toMatchObject({ taskType: 'b', startedAt: started_at, endedAt: null })
    for (const { startedAt, endedAt } of runs.slice(0, -1)) {
      expect(Math.abs(Date.now() - (endedAt?.getTime() ?? 0))).toBeLessThan(60_000)
      expect(startedAt.getTime()).toBeLessThanOrEqual(endedAt?.getTime() ?? 0)
    }
    expect(await manager.listExecutorRuns(OTHER_EXECUTOR)).toEqual({ runs: [], omitted: 0 })
    await expect(manager.listExecutorRuns('x')).rejects.toThrow(/UUID/)
  })

  test('is bounded: failures and the longest runs are kept, the others counted', async () => {
    const { db, events, manager } = tables.createManager()
    const recorder = new RunRecorder(db, { id: SOME_EXECUTOR, runsSince }, events)
    for (let n = 0; n < 5_000; n += 1) {
      events.emit('ended', { ...runOf(n), outcome: n % 1_000 === 0 ? 'failed' : 'completed', durationMs: 1 })
    }
    await recorder.stop()
    const { runs, omitted } = await manager.listExecutorRuns(SOME_EXECUTOR)
    expect(runs.filter(({ outcome }) => outcome === 'failed')).toHaveLength(5)
    expect(runs).toHaveLength(30)
    expect(omitted).toBe(4_970)
  })

  test('is forgotten after 15 minutes, and of executors that are gone after an hour', async () => {
    const { db, events } = tables.createManager()
    await tables.pool.query(
      `insert into async_task_runs (executor_id, at, runs, omitted)
       select id, now() - minutes * interval '1 minute', '[]', 0
         from unnest($1::uuid[]) as id cross join unnest(array[10, 20, 90]) as minutes`,
      [[SOME_EXECUTOR, OTHER_EXECUTOR]],
    )
    const recorder = new RunRecorder(db, { id: SOME_EXECUTOR, runsSince }, events)
    events.emit('ended', { ...runOf(1), outcome: 'completed', durationMs: 1 })
    await recorder.stop()
    const count = async () =>
      (
        await tables.pool.query<{ n: number }>(
          'select count(*)::int as n from async_task_runs group by executor_id order by executor_id = $1 desc',
          [SOME_EXECUTOR],
        )
      ).rows.map(({ n }) => n)
    expect(await count()).toEqual([2, 3])
    await forgetRuns(db)
    expect(await count()).toEqual([2, 2])
  })
})
