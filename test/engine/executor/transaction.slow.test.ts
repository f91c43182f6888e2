import { setTimeout as pause } from 'node:timers/promises'
import { drizzle } from 'drizzle-orm/node-postgres'
import { describe, expect, test } from 'vitest'
import { withTransaction } from '../../../src/db/client.ts'
import type { Transaction } from '../../../src/db/query-runner.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { useEngines } from '../../support/engines.ts'

const engines = useEngines()

class Refused extends Error {}

/** Long enough that no poll can be what finds a task. */
const NO_POLLS = { pollIntervalMs: 60_000, concurrency: 10 }

describe('a task of a transaction', () => {
  test('is picked up at its commit, without a poll, by its own process and by others', async () => {
    const { task } = createTaskRegistry()
    const here = task('here')(() => 'ran')
    const there = task('there')(() => 'ran')
    const { manager } = engines.start([here], NO_POLLS, { hears: true })
    engines.start([there], NO_POLLS, { hears: true })
    const hasRun = async (taskId: string) => {
      const status = async () => (await manager.getTask(taskId))?.status
      await expect.poll(status, { interval: 5 }).toBe('completed')
    }
    // Both listen once they have run something.
    for (const one of [here, there]) await hasRun((await manager.createTask(one)).taskId)
    for (const one of [here, there]) {
      const work = (tx: Transaction) => manager.createTask(one, {}, { tx })
      await hasRun((await withTransaction(engines.database.pool, work)).taskId)
    }
  })

  test('is found by the poll where no process listens', async () => {
    const { task } = createTaskRegistry()
    const quiet = task('quiet')(() => 'ran')
    const { manager } = engines.start([quiet], { pollIntervalMs: 50 })
    const { taskId } = await withTransaction(engines.database.pool, (tx) =>
      manager.createTask(quiet, {}, { tx }),
    )
    expect(await manager.waitFor(taskId, { timeoutMs: 20_000 })).toMatchObject({ status: 'completed' })
  })

  test("of a handler's own exists if and only if that commits", async () => {
    const { task } = createTaskRegistry()
    const child = task('child')(() => 'ran')
    const parent = task('parent')(async (params, ctx) => {
      const work = withTransaction(engines.database.pool, async (tx) => {
        await ctx.createTask(child, { refused: params.refuse }, { tx })
        if (params.refuse) throw new Refused()
      })
      await work.catch((error: unknown) => {
        if (!(error instanceof Refused)) throw error
      })
    })
    const { manager } = engines.start([parent, child], { pollIntervalMs: 50 })
    for (const refuse of [true, false]) {
      const { taskId } = await manager.createTask(parent, { refuse }, { createdBy: 'u1' })
      await manager.waitFor(taskId, { timeoutMs: 20_000 })
    }
    const { tasks } = await manager.listTasks({ taskType: 'child' })
    expect(tasks).toHaveLength(1)
    expect(await manager.getTask(tasks[0]?.taskId ?? '')).toMatchObject({
      params: { refused: false },
      createdBy: 'u1',
    })
  })
})

test('of 1,000 transactions, half of them rolled back, exactly the tasks of the others exist, and run', async () => {
  const { task } = createTaskRegistry()
  const ran: number[] = []
  const note = task('note')(({ i }) => void ran.push(Number(i)))
  const { manager } = engines.start([note], { pollIntervalMs: 50, concurrency: 20 }, { hears: true })
  // They wait for ten connections, as long as the machine takes.
  engines.database.pool.options.connectionTimeoutMillis = 0
  const db = drizzle({ client: engines.database.pool })
  const transact = (i: number) =>
    db.transaction(async (tx) => {
      await manager.createTask(note, { i }, { tx, ...(i % 4 < 2 ? { uniqueKey: `k${i}` } : {}) })
      if (i % 2 === 0) throw new Refused()
    })
  const answers = await Promise.allSettled(Array.from({ length: 1_000 }, (_, i) => transact(i)))
  expect(
    answers.filter((answer) => answer.status === 'rejected' && !(answer.reason instanceof Refused)),
  ).toEqual([])
  const committed = Array.from({ length: 500 }, (_, i) => 2 * i + 1)
  await expect.poll(() => ran.length).toBe(500)
  expect(ran.toSorted((a, b) => a - b)).toEqual(committed)
  expect((await manager.listTasks({ pageSize: 1 })).total).toBe(500)
})

test('it is picked up about as soon after the commit as any other task', async () => {
  const { task } = createTaskRegistry()
  const started = new Map<unknown, PromiseWithResolvers<number>>()
  const note = task('note')(({ key }) => started.get(key)?.resolve(performance.now()))
  const { manager } = engines.start([note], NO_POLLS, { hears: true })
  const plain = async (key: string) => {
    await manager.createTask(note, { key })
    return performance.now()
  }
  const transacted = async (key: string) => {
    await withTransaction(engines.database.pool, (tx) => manager.createTask(note, { key }, { tx }))
    return performance.now()
  }
  const delays = { plain: [] as number[], transacted: [] as number[] }
  // In turns, so that whatever else the machine does meets both alike.
  for (let i = 0; i < 100; i++) {
    for (const [name, create] of [
      ['plain', plain],
      ['transacted', transacted],
    ] as const) {
      const key = `${name} ${i}`
      const start = Promise.withResolvers<number>()
      started.set(key, start)
      const durableAt = await create(key)
      delays[name].push((await start.promise) - durableAt)
      await pause(1)
    }
  }
  const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
  const [without, within] = [median(delays.plain), median(delays.transacted)]
  console.log(`pick-up p50: ${without.toFixed(2)} ms, after a transaction ${within.toFixed(2)} ms`)
  // A poll would take a minute; a machine under load, some milliseconds more.
  expect(within - without).toBeLessThan(250)
})
