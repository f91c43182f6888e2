import { describe, expect, test } from 'vitest'
import { sendReport, useCreatedTasks } from './created-tasks.ts'

const { tables, createManager } = useCreatedTasks()

describe('createTasks', () => {
  test('returns the order of the items, whatever their types, and stores them in that order', async () => {
    const manager = createManager()
    const items = Array.from({ length: 200 }, (_, i) =>
      i % 2 === 0
        ? { task: sendReport, params: { userId: i } }
        : { task: 'elsewhere', params: { i }, priority: i % 100 },
    )
    const created = await manager.createTasks(items)
    expect(created.map(({ params }) => params.userId ?? params.i)).toEqual(items.map((_, i) => i))
    expect(created.map(({ taskType }) => taskType).slice(0, 2)).toEqual(['send_report', 'elsewhere'])
    const { tasks } = await tables.read()
    expect(tasks.map((row) => row.task_id)).toEqual(created.map(({ taskId }) => taskId))
    expect(new Set(tasks.map((row) => row.created_at)).size).toBe(1)
  })

  test('creates all or none when an item is refused', async () => {
    const manager = createManager()
    const items = [
      { task: sendReport, params: { userId: 1 } },
      { task: sendReport, params: { userId: 'x' } as never },
    ]
    await expect(manager.createTasks(items)).rejects.toMatchObject({ code: 'INVALID_PARAMS' })
    expect(await tables.read()).toEqual({ tasks: [], params: [], logs: [], attempts: [] })
  })

  test.each([[undefined], [null], ['send_report'], [[null]], [[undefined, 7]]])(
    'refuses %j, which is no list of items',
    async (items) => {
      const refusal = createManager().createTasks(items as never)
      await expect(refusal).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    },
  )

  test('creates all or none when the database refuses a row', async () => {
    await tables.pool.query(`alter table async_task_params add constraint odd check (value <> '"no"')`)
    try {
      const items = ['yes', 'no', 'yes'].map((value) => ({ task: 'elsewhere', params: { value } }))
      await expect(createManager().createTasks(items)).rejects.toThrow('odd')
    } finally {
      await tables.pool.query('alter table async_task_params drop constraint odd')
    }
    expect(await tables.read()).toEqual({ tasks: [], params: [], logs: [], attempts: [] })
  })

  test('of nothing asks the database for nothing', async () => {
    expect(await createManager().createTasks([])).toEqual([])
  })
})
