import { setTimeout as delay } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { useArena } from './arena.ts'

vi.setConfig({ testTimeout: 300_000 })
const arena = useArena()
const settings = { concurrency: 30, pollIntervalMs: 1_000 }

/** Starts of a type in order, by key, in milliseconds: those of attempts that were lost, too. */
async function readStarts(taskType: string): Promise<Map<string, number[]>> {
  const rows = await arena.current.query<{ key: string; at: number }>(
    `select coalesce(t.rate_key, '') as key, extract(epoch from starts.at)::float8 * 1000 as at
       from async_tasks t
      cross join lateral (select t.started_at as at where t.started_at is not null
                          union select a.started_at from async_task_attempts a where a.task_id = t.task_id) starts
      where t.task_type = $1 order by 2`,
    [taskType],
  )
  const byKey = Map.groupBy(rows, ({ key }) => key)
  return new Map([...byKey].map(([key, some]) => [key, some.map(({ at }) => at)]))
}

/** The most starts in any window. */
function mostIn(starts: readonly number[], windowMs: number): number {
  let first = 0
  return starts.reduce((most, at, last) => {
    while ((starts[first] as number) <= at - windowMs) first += 1
    return Math.max(most, last - first + 1)
  }, 0)
}

/** How long after the permit each start was: the permit of start n is back 10 ms after the window of start n - max. */
function delaysAfterPermit(starts: readonly number[], max: number, windowMs: number): number[] {
  return starts
    .slice(max)
    .map((at, i) => at - (starts[i] as number) - windowMs - 10)
    .sort((a, b) => a - b)
}

test('100 a second, and 20 a minute for each of 50 keys, in 4 processes of which some are killed', async () => {
  const { current } = arena
  const keys = Array.from({ length: 50 }, (_, n) => `k${n}`)
  await current.create(12_000, 'hundred', () => ({ ms: 1 }), { maxRetries: 100 })
  for (const key of keys) await current.create(60, 'twenty', () => ({ key }), { maxRetries: 100 })
  for (let i = 0; i < 4; i += 1) await current.startWorker({ settings, quiet: true })
  for (let i = 0; i < 12; i += 1) {
    await delay(5_500)
    const [victim] = current.workers
    if (victim && i % 3 === 0) {
      await current.kill(victim)
      await current.startWorker({ settings, quiet: true })
    }
  }
  const [hundred = []] = (await readStarts('hundred')).values()
  expect(mostIn(hundred, 1_000)).toBeLessThanOrEqual(100)
  const seconds = ((hundred.at(-1) as number) - (hundred[0] as number)) / 1_000
  const share = hundred.length / (100 * (seconds + 1))
  console.log(`${(100 * share).toFixed(1)} % of the permits of a second are used`)
  const twenty = await readStarts('twenty')
  expect(twenty.size).toBe(50)
  // In the first minute the permits of one, and then those of the next.
  for (const starts of twenty.values()) {
    expect(mostIn(starts, 60_000)).toBe(20)
    expect(starts.length).toBeGreaterThanOrEqual(38)
  }
  expect(share).toBeGreaterThan(0.95)
  const delays = delaysAfterPermit(hundred, 100, 1_000)
  const [p50, p95] = [0.5, 0.95].map((part) => delays[Math.floor(part * delays.length)] as number)
  console.log(`starts ${p50?.toFixed(1)} ms after their permit (p50), ${p95?.toFixed(1)} ms (p95)`)
  // A process that is killed takes the permits of its claim with it, not those of others.
  expect(p95).toBeLessThanOrEqual(50)
})
