import { expect, test } from 'vitest'
import { z } from 'zod'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { createGate } from '../../support/engine.ts'
import { useSchedulers } from './schedulers.ts'

const { tables, createScheduler } = useSchedulers()

const tickTimes = async () => (await tables.read()).tasks.map(({ run_at }) => +new Date(String(run_at)))

const clock = async () => (await tables.pool.query<{ now: Date }>('select now()')).rows[0]?.now

test.each(['updateSchedule', 'declareSchedules'] as const)(
  'a change by %s does not repeat ticks that are fired meanwhile',
  async (method) => {
    const [parsing, gate] = [createGate(), createGate()]
    let isHeld = false
    const params = z.object({}).refine(async () => {
      if (!isHeld) return true
      isHeld = false
      parsing.open()
      await gate.opened
      return true
    })
    const held = createTaskRegistry().task('held', { params })(() => {})
    const { manager, scheduler } = createScheduler([held])
    const before = { name: 'a', cron: '* * * * * *', task: held }
    await manager.declareSchedules([before])

    isHeld = true
    const cron = '*/1 * * * * *'
    const changed =
      method === 'updateSchedule'
        ? manager.updateSchedule('a', { cron })
        : manager.declareSchedules([{ ...before, cron }])
    await parsing.opened
    const checkedAt = +((await clock()) ?? 0)
    await expect
      .poll(async () => {
        await scheduler.tickOnce()
        return (await tickTimes()).at(-1) ?? 0
      })
      .toBeGreaterThan(checkedAt)
    gate.open()
    await changed
    await scheduler.tickOnce()
    const times = await tickTimes()
    expect(times).toEqual([...new Set(times)])
    expect(await manager.getSchedule('a')).toMatchObject({ cron, nextRunAt: expect.any(Date) })
  },
)
