import { expect, test, vi } from 'vitest'
import { useArena } from './arena.ts'
import { between, expectWithin, LONG, pick } from './seed.ts'
import { monotonicMs } from './worker-messages.ts'

vi.setConfig({ testTimeout: 300_000 })
const arena = useArena()

test('after kill -9 with a lease of 2 s the task runs again elsewhere within 4 s', async () => {
  const { current } = arena
  const times: number[] = []
  let victim = await current.startWorker()
  for (let i = 0; i < (LONG ? 20 : 2); i += 1) {
    const taskId = await current.createOne('hold')
    await victim.tells('started', (run) => run.taskId === taskId)
    const other = await current.startWorker()
    await current.isSteady(other)
    const killedAt = monotonicMs()
    await current.kill(victim)
    await other.tells('started', (run) => run.taskId === taskId)
    times.push(monotonicMs() - killedAt)
    await current.tasks.cancelTask(taskId)
    expect(await current.tasks.getTask(taskId)).toMatchObject({
      retryCount: 1,
      attempts: [
        { attempt: 1, outcome: 'lost' },
        { attempt: 2, outcome: 'cancelled' },
      ],
    })
    victim = other
  }
  console.log(`runs again after ${times.map((ms) => `${Math.round(ms)} ms`).join(', ')}`)
  expectWithin(Math.max(...times), 4_000)
  expect(await current.audit.overlaps()).toEqual([])
})

test.runIf(LONG)(
  'after kill -9 with the default settings the task runs again elsewhere within 40 s',
  async () => {
    const { current } = arena
    const settings = { heartbeatIntervalMs: 5_000, leaseMs: 30_000, pollIntervalMs: 1_000 }
    const victim = await current.startWorker({ settings })
    const taskId = await current.createOne('hold')
    await victim.tells('started')
    const other = await current.startWorker({ settings })
    await current.isSteady(other, 60_000)
    const killedAt = monotonicMs()
    await current.kill(victim)
    await other.tells('started', (run) => run.taskId === taskId)
    const took = monotonicMs() - killedAt
    console.log(`runs again after ${Math.round(took)} ms`)
    expect(took).toBeLessThan(40_000)
    await other.ask('release')
    await current.allCompleted(1)
  },
)

test('four processes are killed in a loop: nothing is lost and nothing runs twice at once', async () => {
  const { current } = arena
  const { random } = current
  const settings = { logLevel: 'warn' } as const
  const count = LONG ? 6_000 : 1_200
  await Promise.all(Array.from({ length: 4 }, () => current.startWorker(settings)))
  await current.create(count, 'talk', () => ({ ms: between(random, 5, 200) }), { maxRetries: 50 })
  for (let kills = LONG ? 30 : 5; kills > 0; kills -= 1) {
    const victim = pick(random, current.workers)
    const busy = between(random, 1, 20)
    const from = victim.told('started').length
    // Somewhere in its work; at the end of the list there may be none left.
    await expect
      .poll(
        async () =>
          victim.told('started').length - from >= busy || (await current.statuses()).pending === undefined,
        { interval: 10 },
      )
      .toBe(true)
    await current.kill(victim)
    await current.startWorker(settings)
  }
  await current.allCompleted(count, 120_000)
  const { runs } = await current.audit.count()
  console.log(`${count} tasks took ${runs} runs`)
  expect(runs).toBeGreaterThan(count)
})
