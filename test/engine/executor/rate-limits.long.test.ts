import type pg from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { TaskStatus } from '../../../src/engine/definition/lifecycle.ts'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { AnyTask } from '../../../src/engine/definition/task-reference.ts'
import { createTestDatabase } from '../../support/database.ts'
import { createEngine, createGate, type Engine } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'

const engines = useEngines()
const LONG = { timeout: 240_000 }
const ROUNDS = 80
const BACKLOG = 20_000
const SLICE = 2_000
/** Not measured: a resumed type is looked for in its whole backlog, and every claim is a first one. */
const FIRST = 400

interface RateLimit {
  readonly max: number
  readonly perSeconds: number
  readonly key?: (params: Record<string, unknown>) => string
}

/** Of the measured tasks: all there before, or created as they run. */
type Source = 'a backlog' | 'creators'

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

/** Runs a slice of tasks. Returns how many ended a second, those of the other type among them. */
type RunSlice = () => Promise<number>

/** Resolves with the engine's tasks a second, from the end of task `FIRST` on, once a slice has ended. */
async function measureSlice({ events }: Engine, begin: () => Promise<unknown>): Promise<number> {
  const done = createGate()
  let ended = 0
  let begun = Number.NaN
  const count = () => {
    ended += 1
    if (ended === FIRST) begun = performance.now()
    if (ended === SLICE) done.open()
  }
  events.on('ended', count)
  await begin()
  await done.opened
  const perSecond = (SLICE - FIRST) / ((performance.now() - begun) / 1_000)
  events.off('ended', count)
  return perSecond
}

/** A type without limits, in a database of its own, beside the backlog of a type with a rate limit. */
async function startFree(backlog: number, rateLimit: RateLimit, from: Source): Promise<RunSlice> {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  const { task } = createTaskRegistry()
  const rated = task('rated', { rateLimit })(() => {})
  const free = task('free')(() => {})
  const engine = createEngine(database, [rated, free], { concurrency: 20 }, { hears: true })
  const { manager, executor } = engine
  const create = async (count: number, one: AnyTask) => {
    const items = Array.from({ length: count }, (_, i) => ({ task: one, params: { key: `k${i % 50}` } }))
    for (let done = 0; done < count; done += 1_000) await manager.createTasks(items.slice(done, done + 1_000))
  }
  await manager.pauseTaskType('free')
  await create(backlog, rated)
  if (from === 'a backlog') await create((ROUNDS + 2) * SLICE, free)
  if (rateLimit.key) await useUpPermits(database.pool, rateLimit)
  await database.pool.query('vacuum analyze async_tasks')
  executor.start()
  onTestFinished(() => executor.stop())
  const untilNone = (status: TaskStatus) =>
    expect
      .poll(async () => (await manager.listTasks({ taskType: 'free', status: [status] })).total, {
        interval: 5,
      })
      .toBe(0)
  if (from === 'a backlog')
    return async () => {
      const perSecond = await measureSlice(engine, () => manager.resumeTaskType('free'))
      await manager.pauseTaskType('free')
      await untilNone('running')
      return perSecond
    }
  await manager.resumeTaskType('free')
  return async () => {
    let isOver = false
    const createUntilOver = async () => {
      while (!isOver) await manager.createTask(free, {})
    }
    let creators: Promise<void>[] = []
    const perSecond = await measureSlice(engine, async () => {
      creators = Array.from({ length: 20 }, createUntilOver)
    })
    isOver = true
    await Promise.all(creators)
    await untilNone('pending')
    await untilNone('running')
    return perSecond
  }
}

/** Of slices in turns, a third of a second each: the speed of a machine changes within seconds. */
async function ratioOf(without: RunSlice, beside: RunSlice) {
  await without()
  await beside()
  const rates: { without: number; beside: number }[] = []
  for (let i = 0; i < ROUNDS; i += 1) {
    const first = await (i % 2 === 0 ? without : beside)()
    const second = await (i % 2 === 0 ? beside : without)()
    rates.push(i % 2 === 0 ? { without: first, beside: second } : { without: second, beside: first })
  }
  const sorted = rates.map((one) => one.beside / one.without).sort((a, b) => a - b)
  const at = (share: number) => (sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN).toFixed(3)
  const [rate, other] = [median(rates.map((one) => one.without)), median(rates.map((one) => one.beside))]
  console.log(
    `${ROUNDS} pairs of ${SLICE} tasks: ${rate.toFixed(0)} a second without the backlog, ${other.toFixed(0)} beside it; ` +
      `ratio ${at(0.5)}, the middle half ${at(0.25)} to ${at(0.75)}`,
  )
  return median(sorted)
}

const LIMITS: [what: string, rateLimit: RateLimit][] = [
  ['waits for its next permit', { max: 10, perSeconds: 3_600 }],
  ['starts 50 times a second', { max: 50, perSeconds: 1 }],
  ['starts 20 times a minute for each of 50 keys', { max: 20, perSeconds: 60, key: keyOf }],
]

describe.each(LIMITS)('the backlog of a type that %s takes less than 3 %% from others', (_what, limit) => {
  test.each<Source>(['a backlog', 'creators'])('whose tasks come from %s', LONG, async (from) => {
    const [without, beside] = [await startFree(0, limit, from), await startFree(BACKLOG, limit, from)]
    expect(await ratioOf(without, beside)).toBeGreaterThan(0.97)
  })
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
