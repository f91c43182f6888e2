import { setImmediate } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
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

  test('returns when each was created and is due, as the database has it', async () => {
    const manager = createManager()
    const at = new Date(Date.now() + 60_000)
    const due = [{}, { delayMs: 1 }, { delayMs: 86_400_000 }, { runAt: at }, { runAt: new Date(0) }]
    const created = await manager.createTasks(due.map((options) => ({ task: 'elsewhere', ...options })))
    expect(created[3]?.runAt).toEqual(at)
    for (const { taskId, createdAt, runAt } of created) {
      expect(await manager.getTask(taskId)).toMatchObject({ createdAt, runAt })
    }
  })

  test("fails if a host's trigger has skipped some", async () => {
    await tables.pool.query(`
      create function skip_one() returns trigger language plpgsql as $$
        begin return case when new.priority = 9 then null else new end; end $$;
      create trigger skip_one before insert on async_tasks for each row execute function skip_one()`)
    onTestFinished(async () => {
      await tables.pool.query('drop function skip_one cascade')
    })
    const items = [8, 9].map((priority) => ({ task: 'elsewhere', priority }))
    await expect(createManager().createTasks(items)).rejects.toThrow('the database inserted 1 of 2 tasks')
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

  test('of thousands are inserted in order, by one transaction and with one instant', async () => {
    const items = Array.from({ length: 2_001 }, (_, i) => ({ task: 'elsewhere', params: { i } }))
    const created = await createManager().createTasks(items)
    expect(created.map(({ params }) => params.i)).toEqual(items.map((_, i) => i))
    const { rows } = await tables.pool.query(
      `select t.task_id, t.created_at, t.run_at, t.xmin::text, p.value
         from async_tasks t left join async_task_params p using (task_id) order by t.id`,
    )
    expect(rows.map(({ task_id, value }) => [task_id, Number(value)])).toEqual(
      created.map(({ taskId }, i) => [taskId, i]),
    )
    const instants = rows.flatMap(({ created_at, run_at }) => [+created_at, +run_at])
    expect(new Set(instants)).toEqual(new Set(created.map(({ createdAt }) => +createdAt)))
    expect(new Set(instants).size).toBe(1)
    expect(new Set(rows.map(({ xmin }) => xmin)).size).toBe(1)
  })

  test('of thousands are checked a few at a time: other work of the process goes on between', async () => {
    const COUNT = 5_000
    let read = 0
    const items = Array.from({ length: COUNT }, (_, i) => ({
      task: 'elsewhere',
      get params() {
        read += 1
        return { i }
      },
    }))
    let isOver = false
    const creating = createManager()
      .createTasks(items)
      .finally(() => {
        isOver = true
      })
    let all = 0
    let most = 0
    while (!isOver) {
      all += read
      most = Math.max(most, read)
      read = 0
      await setImmediate()
    }
    expect(await creating).toHaveLength(COUNT)
    expect(all).toBeGreaterThanOrEqual(COUNT)
    expect(most).toBeLessThan(COUNT / 2)
  })

  test.each([[undefined], [null], ['send_report'], [[null]], [[undefined, 7]]])(
    'refuses %j, which is no list of items',
    async (items) => {
      const refusal = createManager().createTasks(items as never)
      await expect(refusal).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    },
  )

  test.each([
    ['the first of few', 3, 0],
    ['the last of thousands', 2_001, 2_000],
    ['one of thousands', 2_001, 700],
  ])('creates all or none when the database refuses a row, %s', async (_what, count, refused) => {
    await tables.pool.query(`alter table async_task_params add constraint odd check (value <> '"no"')`)
    try {
      const items = Array.from({ length: count }, (_, i) => ({
        task: 'elsewhere',
        params: { value: i === refused ? 'no' : 'yes' },
      }))
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
