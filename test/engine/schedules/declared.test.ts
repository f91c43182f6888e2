import { describe, expect, test } from 'vitest'
import { useTaskTables } from '../../support/task-rows.ts'
import { nightly, ofTheDay, refusal, report } from './report-types.ts'

const tables = useTaskTables()
const create = () => tables.createManager([report, ofTheDay])

const rows = async () =>
  (await tables.pool.query('select to_jsonb(s) as row from async_task_schedules s order by name')).rows

describe('declareSchedules', () => {
  test('makes what is not there, and is no change the next time', async () => {
    const { manager, events } = create()
    const changed: string[] = []
    events.on('schedulesChanged', ({ schedule }) => changed.push(schedule))
    const declared = [nightly, { name: 'off', cron: '@daily', task: ofTheDay, enabled: false }] as const
    await manager.declareSchedules(declared)
    const before = await rows()
    expect(before).toMatchObject([
      { row: { name: 'nightly', declared: true, enabled: true } },
      { row: { name: 'off', declared: true, enabled: false, next_run_at: null } },
    ])
    await Promise.all([manager.declareSchedules(declared), manager.declareSchedules(declared)])
    expect(await rows()).toEqual(before)
    expect(changed).toEqual(['nightly', 'off'])
  })

  test('owns all but enabled, which an operator sets permanently', async () => {
    const { manager } = create()
    const own = { name: 'own', cron: '0 4 * * *', timeZone: 'UTC', task: ofTheDay, enabled: false } as const
    await manager.declareSchedules([own])
    await manager.updateSchedule('own', {
      enabled: true,
      cron: '@hourly',
      missed: 'all',
      params: { day: 'x' },
    })
    await manager.declareSchedules([own])
    expect(await manager.getSchedule('own')).toMatchObject({
      enabled: true,
      cron: '0 4 * * *',
      missed: 'skip',
      params: {},
      nextRunAt: expect.any(Date),
    })
    await manager.declareSchedules([{ ...own, cron: '0 5 * * *' }])
    const { nextRunAt } = (await manager.getSchedule('own')) ?? {}
    expect(nextRunAt?.toISOString().slice(11, 16)).toBe('05:00')
    // Another param moves no tick.
    await manager.declareSchedules([{ ...own, cron: '0 5 * * *', params: { day: 'y' } }])
    expect(await manager.getSchedule('own')).toMatchObject({ nextRunAt, params: { day: 'y' } })
  })

  test('leaves alone what it does not name, and takes over schedules made by others', async () => {
    const { manager } = create()
    await manager.createSchedule({ ...nightly, name: 'theirs' })
    const theirs = await manager.getSchedule('theirs')
    await manager.declareSchedules([nightly])
    await manager.declareSchedules([])
    expect((await manager.listSchedules()).map(({ name }) => name)).toEqual(['nightly', 'theirs'])
    expect(await manager.getSchedule('theirs')).toEqual(theirs)
    await manager.declareSchedules([{ ...nightly, name: 'theirs' }])
    expect(await manager.getSchedule('theirs')).toMatchObject({ declared: true })
  })

  test('writes none when one of them is wrong', async () => {
    const { manager } = create()
    const wrong = { ...nightly, name: 'wrong', cron: 'never' }
    expect((await refusal(manager.declareSchedules([nightly, wrong]))).code).toBe('INVALID_ARGUMENT')
    expect((await refusal(manager.declareSchedules([nightly, nightly]))).code).toBe('DUPLICATE_SCHEDULE')
    expect(await rows()).toEqual([])
  })

  test.each<[string, object, string]>([
    ['an expression', { cron: 'never' }, '/cron'],
    ['a policy', { missed: 'twice' }, '/missed'],
    ['a field', { when: 'soon' }, ''],
    ['a param', { params: { userId: 'x' } }, '/userId'],
  ])('names the schedule of several in which %s is wrong', async (_what, wrong, pointer) => {
    const { manager } = create()
    const schedules = [nightly, { ...nightly, name: 'weekly', ...wrong }]
    const error = await refusal(manager.declareSchedules(schedules as never))
    expect(error.message).toMatch(/^schedule "weekly": ./)
    expect(error.problems).toMatchObject([{ pointer }])
  })
})
