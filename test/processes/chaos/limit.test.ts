import { setTimeout as delay } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { useArena } from './arena.ts'
import { between, LONG } from './seed.ts'

vi.setConfig({ testTimeout: 300_000 })
const arena = useArena()

/** A long interval: what no wake-up finds is found too late for the throughput. */
const settings = { concurrency: 8, pollIntervalMs: 1_000 }

test('a limit of 3 over 4 processes is never exceeded', async () => {
  const { current } = arena
  const { random } = current
  const count = LONG ? 5_000 : 600
  const ids = await current.create(count, 'three', () => ({ ms: between(random, 1, 20) }))
  await Promise.all([1, 2, 3, 4].map(() => current.startWorker({ settings, quiet: true })))
  await expect.poll(() => current.completed(), { timeout: 240_000, interval: 100 }).toBe(count)
  await current.allCompleted(count)
  expect(await current.audit.mostAtOnce(ids)).toBe(3)
})

test.runIf(LONG).each([
  [5, 0.3],
  [20, 0.6],
  [100, 0.9],
])('tasks of %d ms use their permits for more than %d of the time', async (ms, least) => {
  const { current } = arena
  const count = Math.round(30_000 / ms)
  await current.create(count, 'three', () => ({ ms }))
  await Promise.all([1, 2, 3, 4].map(() => current.startWorker({ settings, quiet: true })))
  await expect.poll(() => current.completed(), { timeout: 240_000, interval: 100 }).toBe(count)
  const [sums] = await current.query<{ busy: number; wall: number }>(
    `select sum(result::float8) as busy, extract(epoch from max(completed_at) - min(started_at))::float8 * 1000 as wall
       from async_tasks where task_type = 'three'`,
  )
  const share = (sums?.busy ?? 0) / (3 * (sums?.wall ?? 0))
  console.log(
    `tasks of ${ms} ms use 3 permits over 4 processes for ${(100 * share).toFixed(0)} % of the time`,
  )
  expect(share).toBeGreaterThan(least)
})

test('processes that die and come back leave the limit as it is', async () => {
  const { current } = arena
  const { random } = current
  const count = LONG ? 1_000 : 200
  const ids = await current.create(count, 'three', () => ({ ms: between(random, 1, 20) }), {
    maxRetries: 100,
  })
  for (let i = 0; i < 3; i += 1) await current.startWorker({ settings, quiet: true })
  for (let i = 0; i < (LONG ? 10 : 2); i += 1) {
    await delay(between(random, 300, 900))
    const [victim] = current.workers
    if (victim) await current.kill(victim)
    await current.startWorker({ settings, quiet: true })
  }
  await expect.poll(() => current.completed(), { timeout: 240_000, interval: 100 }).toBe(count)
  expect(await current.audit.mostAtOnce(ids)).toBeLessThanOrEqual(3)
})

test.runIf(LONG)('a backlog of a limited type takes less than a twentieth from the others', async () => {
  const { current } = arena
  const { random } = current
  await Promise.all([1, 2, 3, 4].map(() => current.startWorker({ settings, quiet: true })))
  const offer = async (seconds: number) => {
    const until = performance.now() + seconds * 1_000
    const before = await current.completed()
    let offered = 0
    while (performance.now() < until) {
      await current.create(10, 'work', () => ({ ms: 10 }))
      offered += 10
      await delay(100)
    }
    return { offered, before }
  }
  const done = async () => {
    const [row] = await current.query<{ count: number }>(
      `select count(*)::int from async_tasks where task_type = 'work' and status = 'completed'`,
    )
    return row?.count ?? 0
  }
  const alone = await offer(10)
  const doneAlone = await done()
  await current.create(20_000, 'three', () => ({ ms: between(random, 1, 20) }))
  const beside = await offer(10)
  const doneBeside = (await done()) - doneAlone
  const shares = [doneAlone / alone.offered, doneBeside / beside.offered]
  console.log(
    `others done, alone and beside a backlog: ${shares.map((share) => share.toFixed(3)).join(', ')}`,
  )
  expect(doneBeside / beside.offered).toBeGreaterThan((0.95 * doneAlone) / alone.offered)
})
