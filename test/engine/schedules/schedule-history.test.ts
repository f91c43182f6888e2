import { describe, expect, test } from 'vitest'
import { ofTheDay, SECOND, tick, useSchedulers } from './schedulers.ts'

const { tables, createScheduler, setNext } = useSchedulers()

describe('the ticks of schedules', () => {
  test('are listed with their tasks, the newest twenty, and with the next five', async () => {
    const { manager, scheduler } = createScheduler()
    await manager.createSchedule({ ...SECOND, name: 'a', missed: 'all' })
    await manager.createSchedule({ name: 'off', cron: '@yearly', task: tick, enabled: false })
    await setNext('a', '30 s')
    await scheduler.tickOnce()
    const { tasks } = await tables.read()
    const [last, deleted] = [tasks.at(-1), tasks.at(-2)].map((row) => String(row?.task_id))
    await tables.set(last ?? '', {
      ...{ status: 'completed', attempt: 1 },
      ...{ started_at: new Date(1_000), completed_at: new Date(3_500) },
    })
    await tables.pool.query('delete from async_tasks where task_id = $1', [deleted])
    const [a, off] = await manager.listScheduleTicks()
    expect(a?.past).toHaveLength(20)
    expect(a?.past.map(({ taskId }) => taskId)).toEqual(tasks.slice(-20).map(({ task_id }) => task_id))
    expect(a?.past.at(-1)).toMatchObject({
      taskId: last,
      error: null,
      status: 'completed',
      durationMs: 2_500,
    })
    expect(a?.past.at(-2)).toMatchObject({ taskId: deleted, status: null, durationMs: null })
    expect(a?.past.at(-3)).toMatchObject({ status: 'pending', durationMs: null })
    expect(a?.past.at(-1)?.at).toEqual(new Date(String(tasks.at(-1)?.run_at)))
    expect(a?.next).toHaveLength(5)
    expect(off).toEqual({ name: 'off', past: [], next: [] })
  })

  test('tell why a tick created no task', async () => {
    const { manager, scheduler } = createScheduler()
    await manager.createSchedule({ name: 'a', cron: '@yearly', task: ofTheDay })
    await tables.pool.query(`update async_task_schedules set params = '{"day": 7}'`)
    const at = await setNext('a', '1 s')
    await scheduler.tickOnce()
    const [schedule] = await manager.listScheduleTicks()
    expect(schedule?.past).toEqual([
      { at, taskId: null, error: expect.stringContaining('day'), status: null, durationMs: null },
    ])
  })

  test('stand although others have written what cannot be read', async () => {
    const { manager } = createScheduler()
    await manager.createSchedule({ name: 'a', cron: '@yearly', task: tick })
    await tables.pool.query(
      `update async_task_schedules set cron = 'x', recent_ticks = array['{', null, '7']`,
    )
    expect(await manager.listScheduleTicks()).toEqual([{ name: 'a', past: [], next: [] }])
  })
})
