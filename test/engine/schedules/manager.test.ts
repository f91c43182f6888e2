import { describe, expect, test } from 'vitest'
import { MAX_SCHEDULE_PARAMS_BYTES, MAX_SCHEDULES } from '../../../src/contract/schedule.ts'
import { rememberTypes } from '../../support/remember-types.ts'
import { useTaskTables } from '../../support/task-rows.ts'
import { nightly, ofTheDay, refusal, report } from './report-types.ts'

const tables = useTaskTables()
const create = () => tables.createManager([report, ofTheDay])

const rows = async () =>
  (await tables.pool.query('select to_jsonb(s) as row from async_task_schedules s order by name')).rows

describe('createSchedule', () => {
  test('returns the schedule with its next tick by the clock of the database', async () => {
    const { manager } = create()
    const created = await manager.createSchedule({ ...nightly, timeZone: 'Asia/Shanghai', missed: 'once' })
    expect(created).toEqual({
      name: 'nightly',
      cron: '0 3 * * *',
      timeZone: 'Asia/Shanghai',
      taskType: 'report',
      params: { userId: 7 },
      enabled: true,
      missed: 'once',
      declared: false,
      nextRunAt: expect.any(Date),
      lastRunAt: null,
      lastTaskId: null,
      lastError: null,
      createdAt: expect.any(Date),
      updatedAt: expect.any(Date),
    })
    expect(created.nextRunAt?.toISOString()).toMatch(/T19:00:00.000Z$/)
    const ahead = +(created.nextRunAt ?? 0) - +created.createdAt
    expect(ahead).toBeGreaterThan(0)
    expect(ahead).toBeLessThanOrEqual(24 * 3_600_000)
    expect(await manager.getSchedule('nightly')).toEqual(created)
    expect(await manager.listSchedules()).toEqual([created])
  })

  test('has defaults: UTC, enabled, skip, no params', async () => {
    const { manager } = create()
    const created = await manager.createSchedule({ name: 'a', cron: '@daily', task: ofTheDay })
    expect(created).toMatchObject({ timeZone: 'UTC', enabled: true, missed: 'skip', params: {} })
  })

  test('has no next tick while disabled', async () => {
    const { manager } = create()
    expect(await manager.createSchedule({ ...nightly, enabled: false })).toMatchObject({
      enabled: false,
      nextRunAt: null,
    })
  })

  test('takes a type that is registered elsewhere, whose params are parsed there', async () => {
    await rememberTypes(tables.pool, 'elsewhere')
    const { manager } = create()
    const options = { name: 'a', cron: '@daily', task: 'elsewhere', params: { any: [1] } }
    expect(await manager.createSchedule(options)).toMatchObject({
      taskType: 'elsewhere',
      params: { any: [1] },
    })
  })

  test.each([
    ['a name with a space', { name: 'a b' }, '/name', /letters, digits/],
    ['an empty name', { name: '' }, '/name', /letters, digits/],
    ['a name that begins with a sign', { name: '_a' }, '/name', /, the first a letter or digit$/],
    ['a wrong cron', { cron: '61 * * * *' }, '/cron', /"61 \* \* \* \*" .* expected five fields/],
    ['a cron that never fires', { cron: '0 0 30 2 *' }, '/cron', /never fires/],
    [
      'a wrong zone',
      { timeZone: 'Mars/Olympus' },
      '/timeZone',
      /"Mars\/Olympus" is no time zone; expected an IANA/,
    ],
    ['a wrong policy', { missed: 'twice' }, '/missed', /skip/],
    ['a field that is not known', { when: 'soon' }, '', /when/],
    ['params that are no object', { params: [1] }, '/params', /must be a JSON object/],
  ])('refuses %s', async (_what, wrong, pointer, detail) => {
    const { manager } = create()
    // What JavaScript may pass.
    const error = await refusal(manager.createSchedule({ ...nightly, ...wrong } as never))
    expect(error.code).toBe('INVALID_ARGUMENT')
    expect(error.problems).toEqual([{ pointer, detail: expect.stringMatching(detail) }])
    expect(await rows()).toEqual([])
  })

  test('refuses params that the type does not take, too many bytes of them, and a function that is no task', async () => {
    const { manager } = create()
    const wrong = await refusal(manager.createSchedule({ ...nightly, params: { userId: 'x' } } as never))
    expect(wrong).toMatchObject({ code: 'INVALID_PARAMS', problems: [{ pointer: '/userId' }] })
    const text = 'x'.repeat(MAX_SCHEDULE_PARAMS_BYTES)
    const large = await refusal(
      manager.createSchedule({ name: 'a', cron: '@daily', task: 'any', params: { text } }),
    )
    expect(large.code).toBe('INVALID_PARAMS')
    expect(large.message).toContain(`${MAX_SCHEDULE_PARAMS_BYTES} bytes`)
    const nobody = await refusal(manager.createSchedule({ ...nightly, task: () => {} } as never))
    expect(nobody.code).toBe('INVALID_ARGUMENT')
    expect(await rows()).toEqual([])
  })

  test('refuses a name that is taken, and changes nothing', async () => {
    const { manager } = create()
    await manager.createSchedule(nightly)
    const before = await rows()
    const error = await refusal(manager.createSchedule({ ...nightly, cron: '@hourly' }))
    expect(error).toMatchObject({
      code: 'DUPLICATE_SCHEDULE',
      message: "there is a schedule 'nightly' already",
    })
    expect(await rows()).toEqual(before)
  })

  test(`refuses more than ${MAX_SCHEDULES}`, async () => {
    const { manager } = create()
    await tables.pool.query(
      `insert into async_task_schedules (name, cron, time_zone, task_type, enabled)
       select 'full' || n, '@daily', 'UTC', 'report', false from generate_series(1, $1::int) n`,
      [MAX_SCHEDULES],
    )
    expect((await refusal(manager.createSchedule(nightly))).code).toBe('TOO_MANY_SCHEDULES')
    await manager.deleteSchedule('full1')
    await manager.createSchedule(nightly)
  })
})

describe('updateSchedule', () => {
  test('changes what is given and keeps the rest, the next tick included', async () => {
    const { manager } = create()
    const before = await manager.createSchedule(nightly)
    await manager.createSchedule({ ...nightly, name: 'other' })
    const other = await manager.getSchedule('other')
    const after = await manager.updateSchedule('nightly', { params: { userId: 8, dry: true }, missed: 'all' })
    expect(after).toEqual({
      ...before,
      params: { userId: 8, dry: true },
      missed: 'all',
      updatedAt: expect.any(Date),
    })
    expect(+after.updatedAt).toBeGreaterThan(+before.updatedAt)
    expect(await manager.getSchedule('other')).toEqual(other)
  })

  test('computes the next tick anew from now when cron, zone or enabled change', async () => {
    const { manager } = create()
    await manager.createSchedule(nightly)
    const next = async (change: Parameters<typeof manager.updateSchedule>[1]) =>
      (await manager.updateSchedule('nightly', change)).nextRunAt?.toISOString().slice(11)
    expect(await next({ cron: '30 4 * * *' })).toBe('04:30:00.000Z')
    expect(await next({ timeZone: 'Asia/Shanghai' })).toBe('20:30:00.000Z')
    expect(await next({ enabled: false })).toBeUndefined()
    expect(await next({ cron: '0 5 * * *' })).toBeUndefined()
    // Ticks that passed while it was disabled are none.
    const enabled = await manager.updateSchedule('nightly', { enabled: true })
    expect(+(enabled.nextRunAt ?? 0)).toBeGreaterThan(+enabled.updatedAt)
    expect(enabled.nextRunAt?.toISOString().slice(11)).toBe('21:00:00.000Z')
    expect((await manager.updateSchedule('nightly', { enabled: true })).nextRunAt).toEqual(enabled.nextRunAt)
  })

  test('takes another task, and refuses one that does not take the params', async () => {
    const { manager } = create()
    await manager.createSchedule(nightly)
    const before = await rows()
    const error = await refusal(manager.updateSchedule('nightly', { params: { userId: 'x' } as never }))
    expect(error).toMatchObject({ code: 'INVALID_PARAMS', problems: [{ pointer: '/userId' }] })
    const moved = await refusal(manager.updateSchedule('nightly', { task: report, params: {} as never }))
    expect(moved.code).toBe('INVALID_PARAMS')
    expect(await rows()).toEqual(before)
    expect(await manager.updateSchedule('nightly', { task: ofTheDay, params: {} })).toMatchObject({
      taskType: 'of_the_day',
      params: {},
    })
  })

  test.each([
    [{}, '', /something to change/],
    [{ cron: 'x' }, '/cron', /is no cron expression/],
    [{ timeZone: '+01:00' }, '/timeZone', /is no time zone/],
    [{ name: 'b', enabled: true }, '', /name/],
    [{ enabled: 'yes' }, '/enabled', /boolean/],
  ])('refuses %j', async (change, pointer, detail) => {
    const { manager } = create()
    await manager.createSchedule(nightly)
    const before = await rows()
    const error = await refusal(manager.updateSchedule('nightly', change as never))
    expect(error.problems).toEqual([{ pointer, detail: expect.stringMatching(detail) }])
    expect(await rows()).toEqual(before)
  })

  test('of two at once both take effect', async () => {
    const { manager } = create()
    await manager.createSchedule(nightly)
    await Promise.all([
      ...Array.from({ length: 5 }, () => manager.updateSchedule('nightly', { missed: 'all' })),
      manager.updateSchedule('nightly', { cron: '@hourly' }),
      manager.updateSchedule('nightly', { params: { userId: 9 } }),
    ])
    expect(await manager.getSchedule('nightly')).toMatchObject({
      missed: 'all',
      cron: '@hourly',
      params: { userId: 9 },
    })
  })
})

describe('a schedule that is not there', () => {
  test.each(['nothing', '', 'a b', '\u0000', '\ud800', 'x'.repeat(500)])('%j', async (name) => {
    const { manager } = create()
    await manager.createSchedule(nightly)
    expect(await manager.getSchedule(name)).toBeUndefined()
    const calls = [
      () => manager.updateSchedule(name, { enabled: true }),
      () => manager.deleteSchedule(name),
      () => manager.runSchedule(name),
    ]
    for (const call of calls) expect(await refusal(call())).toMatchObject({ code: 'SCHEDULE_NOT_FOUND' })
    expect(await rows()).toHaveLength(1)
  })
})

test('deleteSchedule removes it alone, and leaves its tasks', async () => {
  const { manager } = create()
  await manager.createSchedule(nightly)
  await manager.createSchedule({ ...nightly, name: 'other' })
  const { taskId } = await manager.runSchedule('nightly')
  await manager.deleteSchedule('nightly')
  expect((await manager.listSchedules()).map(({ name }) => name)).toEqual(['other'])
  expect(await manager.getTask(taskId)).toMatchObject({ status: 'pending' })
})

test('runSchedule makes a task now, also of a disabled schedule, which stays as it is', async () => {
  const { manager } = create()
  for (const enabled of [true, false]) {
    const name = `enabled-${enabled}`
    const before = await manager.createSchedule({ ...nightly, name, enabled })
    const made = await manager.runSchedule(name, { createdBy: 'somebody' })
    expect(made).toMatchObject({
      created: true,
      taskType: 'report',
      params: { userId: 7, dry: false },
      createdBy: 'somebody',
    })
    expect(await manager.getSchedule(name)).toEqual(before)
  }
})
