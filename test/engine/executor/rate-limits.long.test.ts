import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'
import { expect, onTestFinished, test } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { AnyTask } from '../../../src/engine/definition/task-reference.ts'
import { createTestDatabase } from '../../support/database.ts'
import { createEngine, createGate } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'

const engines = useEngines()
const LONG = { timeout: 240_000 }
const ROUNDS = 21
const BACKLOG = 20_000
/** Short ones, in turns. */
const CREATING_ROUNDS = 21
const CREATING_MS = 1_000
const TASKS = 11_000
/** Not measured: connections make their plans anew after a vacuum. */
const FIRST = 1_000

interface RateLimit {
  readonly max: number
  readonly perSeconds: number
  readonly key?: (params: Record<string, unknown>) => string
}

const keyOf = ({ key }: Record<string, unknown>) => String(key)

const median = (all: readonly number[]) => all.toSorted((a, b) => a - b)[all.length >> 1] ?? Number.NaN

/** As after the first minute: the permits of 50 keys return one by one. */
async function useUpPermits(pool: pg.Pool, { max, perSeconds }: RateLimit): Promise<void> {
  await pool.query(
    `insert into async_task_starts (task_type, rate_key, started_at)
     select 'rated', 'k' || n % 50, now() - $2::float8 * n / ($1::int * 50) * interval '1 second'
       from generate_series(1, $1::int * 50) n`,
    [max, perSeconds],
  )
}

interface Free {
  /** Tasks a second of a type without limits: of a backlog. */
  drain(): Promise<number>
  /** The same while they are created. */
  runCreated(): Promise<number>
}

/** Starts an engine on a new database, in which a type with a rate limit has this backlog. */
async function startFree(backlog: number, rateLimit: RateLimit): Promise<Free> {
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
  const items = (count: number, one: AnyTask) =>
    Array.from({ length: count }, (_, i) => ({ task: one, params: { key: `k${i % 50}` } }))
  for (let from = 0; from < backlog; from += 1_000) await manager.createTasks(items(1_000, rated))
  if (rateLimit.key) await useUpPermits(database.pool, rateLimit)
  executor.start()
  onTestFinished(() => executor.stop())
  const drain = async () => {
    await manager.pauseTaskType('free')
    for (let from = 0; from < TASKS; from += 1_000) await manager.createTasks(items(1_000, free))
    await database.pool.query('vacuum analyze async_tasks')
    const done = createGate()
    let ended = 0
    let others = 0
    let begun = Number.NaN
    const count = ({ taskType }: { taskType: string }) => {
      if (taskType === 'free') ended += 1
      else if (ended > FIRST) others += 1
      if (taskType === 'free' && ended === FIRST) begun = performance.now()
      if (ended === TASKS) done.open()
    }
    events.on('ended', count)
    await manager.resumeTaskType('free')
    await done.opened
    const perSecond = (TASKS - FIRST + others) / ((performance.now() - begun) / 1_000)
    events.off('ended', count)
    return perSecond
  }
  const runCreated = async () => {
    await database.pool.query('vacuum analyze async_tasks')
    let ended = 0
    let isOver = false
    const count = () => {
      ended += 1
    }
    const creators = Array.from({ length: 20 }, async () => {
      while (!isOver) await manager.createTask(free, {})
    })
    await delay(300)
    events.on('ended', count)
    const begun = performance.now()
    await delay(CREATING_MS)
    const perSecond = ended / ((performance.now() - begun) / 1_000)
    events.off('ended', count)
    isOver = true
    await Promise.all(creators)
    const hasEnded = async () =>
      (await manager.listTasks({ taskType: 'free', status: ['pending', 'running'] })).total === 0
    await expect.poll(hasEnded, { timeout: 60_000 }).toBe(true)
    return perSecond
  }
  return { drain, runCreated }
}

/** Of pairs, measured one right after the other: other load meets both. */
async function ratioOf(rounds: number, without: () => Promise<number>, beside: () => Promise<number>) {
  await without()
  await beside()
  const rates: { without: number; beside: number }[] = []
  for (let i = 0; i < rounds; i += 1) {
    const first = await (i % 2 === 0 ? without : beside)()
    const second = await (i % 2 === 0 ? beside : without)()
    rates.push(i % 2 === 0 ? { without: first, beside: second } : { without: second, beside: first })
  }
  const ratio = median(rates.map((one) => one.beside / one.without))
  const shown = rates.map((one) => `${one.without.toFixed(0)}/${one.beside.toFixed(0)}`).join(', ')
  console.log(`tasks a second without/beside the backlog: ${shown}; ratio ${ratio.toFixed(3)}`)
  return ratio
}

const LIMITS: [what: string, rateLimit: RateLimit][] = [
  ['waits for its next permit', { max: 10, perSeconds: 3_600 }],
  ['starts 50 times a second', { max: 50, perSeconds: 1 }],
  ['starts 20 times a minute for each of 50 keys', { max: 20, perSeconds: 60, key: keyOf }],
]

test.each(LIMITS)(
  'the backlog of a type that %s takes less than 3 %% from others',
  LONG,
  async (_what, limit) => {
    const [without, beside] = [await startFree(0, limit), await startFree(BACKLOG, limit)]
    expect(await ratioOf(ROUNDS, without.drain, beside.drain)).toBeGreaterThan(0.97)
  },
)

test.each(LIMITS)('and from others that are being created: %s', LONG, async (_what, limit) => {
  const [without, beside] = [await startFree(0, limit), await startFree(BACKLOG, limit)]
  expect(await ratioOf(CREATING_ROUNDS, without.runCreated, beside.runCreated)).toBeGreaterThan(0.97)
})

test.each<[what: string, rateLimit: RateLimit, keys: number]>([
  ['100 times a second', { max: 100, perSeconds: 1 }, 1],
  ['10 times in a fifth of a second', { max: 10, perSeconds: 0.2 }, 1],
  ['20 times a minute for each of 50 keys', { max: 20, perSeconds: 60, key: keyOf }, 50],
  ['5 times in 5 seconds for each of 50 keys', { max: 5, perSeconds: 5, key: keyOf }, 50],
])('what may start %s uses its permits, and no more', LONG, async (_what, rateLimit, keys) => {
  const { max, perSeconds } = rateLimit
  const { task } = createTaskRegistry()
  const rated = task('rated', { rateLimit })(() => {})
  const settings = { concurrency: 20, pollIntervalMs: 60_000 }
  const workers = [1, 2].map(() => engines.create([rated], settings, { hears: true }))
  const [first] = workers
  // Three windows long, or fifteen seconds.
  const count = keys * max * Math.max(3, Math.ceil(15 / perSeconds))
  for (let from = 0; from < count; from += 500) {
    await first?.manager.createTasks(
      Array.from({ length: Math.min(500, count - from) }, (_, i) => ({
        task: rated,
        params: { key: `k${(from + i) % keys}` },
      })),
    )
  }
  for (const { executor } of workers) executor.start()
  const read = `select coalesce(rate_key, '') as key, extract(epoch from started_at)::float8 * 1000 as at
                  from async_tasks where started_at is not null order by started_at`
  const starts = async () => (await engines.database.pool.query<{ key: string; at: number }>(read)).rows
  await expect.poll(async () => (await starts()).length, { timeout: 200_000, interval: 1_000 }).toBe(count)
  const byKey = [...Map.groupBy(await starts(), (one) => one.key).values()].map((of) =>
    of.map(({ at }) => at),
  )
  expect(byKey).toHaveLength(keys)
  // A permit is taken by start n, and by start n + max again: never within the window, and soon after it.
  const taken = byKey.flatMap((of) => of.slice(max).map((at, i) => at - (of[i] ?? Number.NaN)))
  expect(Math.min(...taken)).toBeGreaterThanOrEqual(perSeconds * 1_000)
  const windowMs = perSeconds * 1_000 + Math.min(10, perSeconds * 10)
  const late = taken.map((ms) => ms - windowMs).sort((a, b) => a - b)
  const at = (share: number) => late[Math.floor(share * (late.length - 1))] ?? Number.NaN
  const share = (windowMs * taken.length) / taken.reduce((sum, ms) => sum + ms, 0)
  console.log(
    `${late.length} permits, in use ${(100 * share).toFixed(2)} % of the time; taken again after ` +
      `${at(0.5).toFixed(1)} ms (p50), ${at(0.99).toFixed(1)} ms (p99), ${at(1).toFixed(1)} ms at most`,
  )
  expect(share).toBeGreaterThanOrEqual(0.95)
  // The permits of many keys return together, and have to wait for slots.
  expect(at(0.99)).toBeLessThanOrEqual(keys === 1 ? 50 : 150)
})
