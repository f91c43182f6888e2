import { expect, onTestFinished, test } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { AnyTask } from '../../../src/engine/definition/task-reference.ts'
import { createTestDatabase } from '../../support/database.ts'
import { createEngine, createGate } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'

const engines = useEngines()
const LONG = { timeout: 240_000 }
const ROUNDS = 5
const TASKS = 5_000

const median = (all: readonly number[]) => all.toSorted((a, b) => a - b)[all.length >> 1] ?? Number.NaN

/** Tasks a second of a type without limits, in a database of its own. */
async function startFree(backlog: number, rateLimit: { max: number; perSeconds: number }) {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  const { task } = createTaskRegistry()
  const rated = task('rated', { rateLimit })(() => {})
  const free = task('free')(() => {})
  const { manager, executor, events } = createEngine(
    database,
    [rated, free],
    { concurrency: 20 },
    { hears: true },
  )
  const items = (count: number, one: AnyTask) => Array.from({ length: count }, () => ({ task: one }))
  for (let from = 0; from < backlog; from += 1_000) await manager.createTasks(items(1_000, rated))
  executor.start()
  onTestFinished(() => executor.stop())
  return async () => {
    await manager.pauseTaskType('free')
    for (let from = 0; from < TASKS; from += 1_000) await manager.createTasks(items(1_000, free))
    await database.pool.query('vacuum analyze async_tasks')
    const done = createGate()
    let ended = 0
    let others = 0
    const count = ({ taskType }: { taskType: string }) => {
      if (taskType === 'free') ended += 1
      else others += 1
      if (ended === TASKS) done.open()
    }
    events.on('ended', count)
    const begun = performance.now()
    await manager.resumeTaskType('free')
    await done.opened
    const perSecond = (TASKS + others) / ((performance.now() - begun) / 1_000)
    events.off('ended', count)
    return perSecond
  }
}

test.each([
  ['waits for its next permit', { max: 10, perSeconds: 3_600 }],
  ['starts 50 times a second', { max: 50, perSeconds: 1 }],
])('the backlog of a type that %s takes less than 3 % from the others', LONG, async (_what, rateLimit) => {
  const [without, beside] = [await startFree(0, rateLimit), await startFree(20_000, rateLimit)]
  await without()
  await beside()
  const rates: { without: number; beside: number }[] = []
  for (let i = 0; i < ROUNDS; i += 1) {
    const first = await (i % 2 === 0 ? without : beside)()
    const second = await (i % 2 === 0 ? beside : without)()
    rates.push(i % 2 === 0 ? { without: first, beside: second } : { without: second, beside: first })
  }
  const ratio = median(rates.map((one) => one.beside)) / median(rates.map((one) => one.without))
  const shown = rates.map((one) => `${one.without.toFixed(0)}/${one.beside.toFixed(0)}`).join(', ')
  console.log(`tasks a second without/beside the backlog: ${shown}; ratio ${ratio.toFixed(3)}`)
  expect(ratio).toBeGreaterThan(0.97)
})

test.each([
  ['of a type', undefined],
  ['of each of 50 keys', 50],
])('what waits for the permit %s starts within 50 ms of it', LONG, async (_what, keys) => {
  const { task } = createTaskRegistry()
  const [max, perSeconds] = keys === undefined ? [10, 0.2] : [5, 5]
  const key = ({ key }: Record<string, unknown>) => String(key)
  const rateLimit = { max, perSeconds, ...(keys !== undefined && { key }) }
  const rated = task('rated', { rateLimit })(() => {})
  const settings = { concurrency: 20, pollIntervalMs: 60_000 }
  const workers = [1, 2].map(() => engines.create([rated], settings, { hears: true }))
  const [first] = workers
  const items = Array.from({ length: 1_000 }, (_, i) => ({
    task: rated,
    params: { key: `k${i % (keys ?? 1)}` },
  }))
  await first?.manager.createTasks(items)
  for (const { executor } of workers) executor.start()
  const read = `select coalesce(rate_key, '') as key, extract(epoch from started_at)::float8 * 1000 as at
                  from async_tasks where started_at is not null order by started_at`
  const starts = async () => (await engines.database.pool.query<{ key: string; at: number }>(read)).rows
  await expect.poll(async () => (await starts()).length, { timeout: 120_000, interval: 500 }).toBe(1_000)
  const windowMs = perSeconds * 1_000 + Math.min(10, perSeconds * 10)
  const late = [...Map.groupBy(await starts(), (one) => one.key).values()]
    .flatMap((of) => of.slice(max).map(({ at }, i) => at - (of[i]?.at ?? Number.NaN) - windowMs))
    .sort((a, b) => a - b)
  const at = (share: number) => late[Math.floor(share * (late.length - 1))] ?? Number.NaN
  console.log(
    `${late.length} starts, ${at(0.5).toFixed(1)} ms after their permit (p50), ${at(0.99).toFixed(1)} ms (p99), ${at(1).toFixed(1)} ms at most`,
  )
  expect(at(0)).toBeGreaterThan(-0.01)
  expect(at(0.99)).toBeLessThanOrEqual(50)
})
