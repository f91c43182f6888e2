import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { createGate } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'

const engines = useEngines()

describe('concurrency', () => {
  test.for([1, 2, 5])(
    'exactly %i handlers run at once, never more, never fewer while tasks wait',
    async (slots) => {
      const { task } = createTaskRegistry()
      const gate = createGate()
      const full = createGate()
      let running = 0
      let most = 0
      const hold = task('hold')(async () => {
        running += 1
        most = Math.max(most, running)
        if (running === slots) full.open()
        await gate.opened
        running -= 1
      })
      const { manager } = engines.start([hold], { concurrency: slots })
      const created = await manager.createTasks(Array.from({ length: slots * 4 }, () => ({ task: hold })))
      await full.opened
      expect((await manager.listTasks({ status: ['running'] })).total).toBe(slots)
      gate.open()
      for (const { taskId } of created) expect((await manager.waitFor(taskId)).status).toBe('completed')
      expect(most).toBe(slots)
    },
  )

  test('1,000 tasks at concurrency 2 finish without a poll: a freed slot claims at once', async () => {
    const { task } = createTaskRegistry()
    const noop = task('noop')(() => {})
    const { manager, events, executor } = engines.create([noop], { pollIntervalMs: 60_000 })
    const done = createGate()
    let ended = 0
    events.on('ended', () => {
      ended += 1
      if (ended === 1_000) done.open()
    })
    await manager.createTasks(Array.from({ length: 1_000 }, () => ({ task: noop })))
    executor.start()
    await done.opened
    expect((await manager.listTasks({ status: ['completed'] })).total).toBe(1_000)
  })

  test('many slots do not wait for ends that cannot be written, until there are as many of them', async () => {
    const slots = 32
    const { task } = createTaskRegistry()
    const gates = [createGate(), createGate()] as const
    const started: number[] = []
    const hold = task('hold')(async ({ gate }: { gate?: unknown }) => {
      started.push(Number(gate))
      await gates[Number(gate)]?.opened
    })
    const { manager } = engines.start([hold], { concurrency: slots, pollIntervalMs: 50 })
    const create = (gate: number) =>
      manager.createTasks(Array.from({ length: slots }, () => ({ task: hold, params: { gate } })))
    const client = await engines.database.pool.connect()
    const lock = () =>
      client.query(`select from async_tasks where status = 'running' and executor_id is not null for update`)
    const startedOf = (gate: number) => started.filter((one) => one === gate).length
    try {
      await client.query('begin')
      for (const gate of [0, 1]) {
        await create(gate)
        await expect.poll(() => startedOf(gate)).toBe(slots)
        await lock()
        gates[gate]?.open()
      }
      const last = await create(2)
      // Every slot is free, and every end is on its way.
      await delay(300)
      expect(startedOf(2)).toBe(0)
      await client.query('commit')
      for (const { taskId } of last) expect((await manager.waitFor(taskId)).status).toBe('completed')
      await expect
        .poll(async () => (await manager.listTasks({ status: ['completed'] })).total)
        .toBe(3 * slots)
    } finally {
      client.release(true)
    }
  })

  test('two executors on one database never run a task twice', async () => {
    const { task } = createTaskRegistry()
    const runs = new Map<string, number>()
    const mark = task('mark')((_params, ctx) => {
      runs.set(ctx.taskId, (runs.get(ctx.taskId) ?? 0) + 1)
    })
    const { manager } = engines.start([mark], { concurrency: 8 })
    engines.start([mark], { concurrency: 8 })
    const created = await manager.createTasks(Array.from({ length: 500 }, () => ({ task: mark })))
    for (const { taskId } of created) await manager.waitFor(taskId)
    expect(runs.size).toBe(500)
    expect([...runs.values()].every((count) => count === 1)).toBe(true)
  })

  test('higher priority first, then the oldest due', async () => {
    const { task } = createTaskRegistry()
    const order: string[] = []
    const note = task('note')((params: { name?: unknown }) => {
      order.push(String(params.name))
    })
    const { manager, executor } = engines.create([note], { concurrency: 1 })
    const past = (ms: number) => new Date(Date.now() - ms)
    await manager.createTasks([
      { task: note, params: { name: 'newer' }, runAt: past(1_000) },
      { task: note, params: { name: 'older' }, runAt: past(2_000) },
      { task: note, params: { name: 'urgent' }, priority: 10 },
      { task: note, params: { name: 'later' }, runAt: new Date(Date.now() + 3_600_000) },
      { task: note, params: { name: 'lazy' }, runAt: past(9_000), priority: -1 },
    ])
    executor.start()
    await expect.poll(() => order).toEqual(['urgent', 'older', 'newer', 'lazy'])
  })
})
