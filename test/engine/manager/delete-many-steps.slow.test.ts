import { expect, test } from 'vitest'
import { captureStatements } from '../../support/plans.ts'
import { useTaskTables } from '../../support/task-rows.ts'

const tables = useTaskTables()

test('tasks of many steps are deleted a few at a time, one of many lines by itself', async () => {
  const { manager } = tables.createManager()
  const tasks = Array.from({ length: 30 }, () =>
    tables.insert({ status: 'failed', completed_at: new Date() }),
  )
  const taskIds = await Promise.all(tasks)
  await tables.pool.query(
    `insert into async_task_steps (task_id, name, attempt, started_at, ended_at)
     select id, 'step ' || n, 1, now(), now() from unnest($1::text[]) id, generate_series(1, 10000) n`,
    [taskIds],
  )
  const alone = await tables.insert({ status: 'failed', completed_at: new Date() })
  await tables.pool.query(
    `insert into async_task_logs (task_id, level, message) select $1, 'INFO', 'line' from generate_series(1, 200001)`,
    [alone],
  )
  const all = [...taskIds, alone]
  const statements = await captureStatements(tables.pool, async () => {
    const { results } = await manager.bulk({ action: 'delete', taskIds: all })
    expect(results).toEqual(all.map((taskId) => ({ taskId, ok: true })))
  })
  expect(statements.length).toBeGreaterThan(4)
  expect(statements.length).toBeLessThan(20)
  const { rows } = await tables.pool.query(
    'select from async_task_steps union all select from async_task_logs',
  )
  expect(rows).toHaveLength(0)
})
