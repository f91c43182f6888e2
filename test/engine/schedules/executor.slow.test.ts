import { expect, test } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { nextEvent } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'

const engines = useEngines()

const { task } = createTaskRegistry()
const tick = task('tick')(() => 'ticked')

const SECOND = { name: 'a', cron: '* * * * * *', task: tick } as const

test('an executor runs the task of a tick soon after its instant', async () => {
  const { manager, events } = engines.start([tick])
  const created = await manager.createSchedule(SECOND)
  const { ticks, taskIds } = await nextEvent(events, 'ticked')
  expect(ticks).toEqual([created.nextRunAt])
  const ended = await manager.waitFor(taskIds[0] ?? '')
  expect(ended).toMatchObject({ status: 'completed', result: 'ticked', runAt: created.nextRunAt })
  // Not by polling once a minute: it knew when.
  expect(+ended.createdAt - +ended.runAt).toBeLessThan(20_000)
})

test('a schedule that another process creates or changes takes effect at once', async () => {
  const { events } = engines.start([tick], {}, { hears: true })
  const other = engines.create([tick], {}, { hears: true })
  await other.manager.createSchedule(SECOND)
  await nextEvent(events, 'ticked')
  await other.manager.updateSchedule('a', { cron: '@yearly' })
  await other.manager.createSchedule({ ...SECOND, name: 'b' })
  await nextEvent(events, 'ticked', ({ schedule }) => schedule === 'b')
})

test('after its executor has stopped, ticks create no tasks', async () => {
  const { manager, executor, events } = engines.start([tick])
  await manager.createSchedule(SECOND)
  await nextEvent(events, 'ticked')
  await executor.stop()
  const before = await manager.getSchedule('a')
  const late = () =>
    engines.database.pool.query('select pg_sleep_until($1)', [new Date(+(before?.nextRunAt ?? 0) + 1_500)])
  await late()
  expect(await manager.getSchedule('a')).toEqual(before)
  const next = engines.start([tick])
  await nextEvent(next.events, 'ticked')
})

test('the health of an executor has its scheduler', async () => {
  const { executor, events, manager } = engines.start([tick])
  await manager.createSchedule(SECOND)
  await nextEvent(events, 'ticked')
  const { loops } = executor.health()
  expect(loops.find(({ loop }) => loop === 'scheduler')).toMatchObject({ running: true, failures: 0 })
})
