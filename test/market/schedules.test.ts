import { expect, onTestFinished, test } from 'vitest'
import { buildApp } from '../../src/app.ts'
import { parseConfig } from '../../src/config.ts'
import { addDays, isWeekend, todayInShanghai } from '../../src/market/days.ts'
import { marketSchedules } from '../../src/market/schedules.ts'
import { createMarketSource } from '../../src/market/sources/create-source.ts'
import { createMarketTasks } from '../../src/market/tasks/index.ts'
import { createTestDatabase } from '../support/database.ts'
import { createEngine, nextEvent } from '../support/engine.ts'

const NAME = 'backfill_of_the_day'

test('the bundled server declares it disabled; once an operator has enabled it, it stays so', async () => {
  const database = await createTestDatabase('server')
  onTestFinished(() => database.drop())
  const boot = async () => {
    const app = await buildApp(parseConfig({ LOG_LEVEL: 'silent' }), { databaseUrl: database.url })
    onTestFinished(() => app.close())
    await app.ready()
    return app
  }
  const first = await boot()
  expect(await first.tasks.listSchedules()).toMatchObject([
    { name: NAME, taskType: 'backfill_by_date', enabled: false, nextRunAt: null, declared: true, params: {} },
  ])
  await first.tasks.updateSchedule(NAME, { enabled: true })
  await first.close()
  const second = await boot()
  const { enabled, nextRunAt } = (await second.tasks.getSchedule(NAME)) ?? {}
  expect(enabled).toBe(true)
  // 17:30 in Shanghai, on a weekday.
  expect(nextRunAt?.toISOString().slice(11, 16)).toBe('09:30')
  expect(isWeekend(todayInShanghai(nextRunAt ?? undefined))).toBe(false)
})

test('a day that was missed is made up for with a task for that day', async () => {
  const database = await createTestDatabase('server')
  onTestFinished(() => database.drop())
  const tasks = createMarketTasks({ pool: database.pool, source: createMarketSource({ source: 'sample' }) })
  const { manager, executor, events } = createEngine(database, tasks)
  onTestFinished(() => executor.stop())
  await manager.declareSchedules(marketSchedules)
  await manager.updateSchedule(NAME, { enabled: true })
  const from = addDays(todayInShanghai(), -9)
  await database.pool.query('update async_task_schedules set next_run_at = $1', [`${from}T17:30:00+08:00`])
  executor.start()
  const { ticks, taskIds } = await nextEvent(events, 'ticked')
  const made = await Promise.all(taskIds.map((taskId) => manager.getTask(taskId)))
  const days = made.map((task) => task?.params.targetDate)
  expect(days).toEqual(ticks.map((tick) => todayInShanghai(tick)))
  // The first may be at a weekend, because the test put it there.
  expect(days[0]).toBe(from)
  expect(ticks.slice(1).filter((tick) => isWeekend(todayInShanghai(tick)))).toEqual([])
  expect(days.length).toBeGreaterThanOrEqual(6)
})
