import { readFileSync } from 'node:fs'
import type pg from 'pg'
import { describe, expect, onTestFinished, test } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import type { AnyTask } from '../../../src/engine/definition/task-reference.ts'
import { fillHistory } from '../../bench/history.ts'
import { createTestDatabase } from '../../support/database.ts'
import { createEngine, createGate } from '../../support/engine.ts'
import { useEngines } from '../../support/engines.ts'
import { slowPool } from '../../support/slow-pool.ts'

const engines = useEngines()
const LONG = { timeout: 240_000 }
const ROUNDS = 11
const BACKLOG = 20_000
/** Beside almost empty tables, any 20,000 rows more are felt: indexes become a level deeper. */
const HISTORY = { finished: 200_000, scheduled: 50_000 }
const TASKS = 11_000
/** Not measured. */
const FIRST = 1_000
/** More are not created ahead, so that each task costs one create. */
const MOST_UNFINISHED = 200
/** As often as autovacuum would, roughly: connections make all plans anew after it. */
const ROUNDS_PER_VACUUM = 3

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

/** What 10,000 tasks took. */
interface Cost {
  readonly seconds: number
  /** CPU time of the server, in microseconds a task. */
  readonly cpu: number
  /** Claims and completions. */
  readonly statements: number
}

/** A round whose tasks wait, or whose creators do. */
interface Round {
  /** Resolves once the tasks have been measured. */
  start(): Promise<Cost>
  /** Waits until the other tasks have ended, too. */
  end(): Promise<void>
}

interface Free {
  /** Of tasks of a type without limits that have waited. */
  drain(): Promise<Round>
  /** The same while they are created. */
  runCreated(): Promise<Round>
}

/** Starts an engine on a database with history, in which a type with a rate limit has this backlog. */
async function startFree(backlog: number, rateLimit: RateLimit): Promise<Free> {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  const { pool } = database
  await fillHistory(pool, HISTORY)
  await pool.query(
    `insert into async_task_params (task_id, key, value) select task_id, 'key', 'k1' from async_tasks`,
  )
  await pool.query('vacuum analyze async_task_params')
  await pool.query('alter table async_tasks set (autovacuum_enabled = false)')
  let rounds = 0
  const vacuum = async () => {
    if (rounds % ROUNDS_PER_VACUUM === 0) await pool.query('vacuum analyze async_tasks')
    rounds += 1
  }
  let statements = 0
  const counted = slowPool(pool, ({ text }, send) => {
    if (/\/\* tasks_(claim|complete)/.test(text)) statements += 1
    return send()
  })
  const { task } = createTaskRegistry()
  const free = task('free')(() => {})
  const rated = task('rated', { rateLimit })(() => {})
  const { manager, executor, events } = createEngine(
    { ...database, pool: counted },
    [rated, free],
    { concurrency: 20 },
    { hears: true },
  )
  const items = (count: number, one: AnyTask) =>
    Array.from({ length: count }, (_, i) => ({ task: one, params: { key: `k${i % 50}` } }))
  for (let from = 0; from < backlog; from += 1_000) await manager.createTasks(items(1_000, rated))
  if (rateLimit.key) await useUpPermits(pool, rateLimit)
  executor.start()
  onTestFinished(() => executor.stop())

  /** Of the tasks that end now, of both types. */
  const measure = async (): Promise<Cost> => {
    const first = createGate()
    const last = createGate()
    let ended = 0
    const count = () => {
      ended += 1
      if (ended === FIRST) first.open()
      if (ended === TASKS) last.open()
    }
    events.on('ended', count)
    await first.opened
    const [begun, sent, before] = [performance.now(), statements, await sessionCpu(pool)]
    await last.opened
    const [seconds, all] = [(performance.now() - begun) / 1_000, statements - sent]
    events.off('ended', count)
    const after = [...(await sessionCpu(pool))]
    const cpu = after.reduce((sum, [pid, at]) => sum + at - (before.get(pid) ?? 0), 0)
    return { seconds, cpu: cpu / (TASKS - FIRST), statements: all }
  }
  const drain = async () => {
    await manager.pauseTaskType('free')
    for (let from = 0; from < TASKS; from += 1_000) await manager.createTasks(items(1_000, free))
    await vacuum()
    const start = async () => (await Promise.all([measure(), manager.resumeTaskType('free')]))[0]
    return { start, end: () => expect.poll(hasEnded).toBe(true) }
  }
  const runCreated = async () => {
    await vacuum()
    let isOver = false
    let unfinished = 0
    let ended = createGate()
    const count = ({ taskType }: { taskType: string }) => {
      if (taskType === 'free') unfinished -= 1
      ended.open()
      ended = createGate()
    }
    const create = async () => {
      while (!isOver) {
        while (unfinished >= MOST_UNFINISHED) await ended.opened
        unfinished += 1
        await manager.createTask(free, {})
      }
    }
    let creators: Promise<void>[] = []
    const start = () => {
      events.on('ended', count)
      creators = Array.from({ length: 20 }, create)
      return measure()
    }
    const end = async () => {
      isOver = true
      await Promise.all(creators)
      await expect.poll(hasEnded).toBe(true)
      events.off('ended', count)
    }
    return { start, end }
  }
  const hasEnded = async () =>
    (await manager.listTasks({ taskType: 'free', status: ['pending', 'running'] })).total === 0
  return { drain, runCreated }
}

/** The CPU time of each session of the database, in microseconds. */
async function sessionCpu(pool: pg.Pool): Promise<Map<number, number>> {
  const { rows } = await pool.query<{ pid: number }>(
    'select pid from pg_stat_activity where datname = current_database()',
  )
  return new Map(rows.flatMap(({ pid }) => cpuOf(pid)))
}

/** None if the session has ended. */
function cpuOf(pid: number): [pid: number, micros: number][] {
  try {
    return [[pid, Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1_000]]
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return []
    throw error
  }
}

/** Two engines do the same at the same time: other load, and the machine's speed, meet both alike. */
async function compare(without: () => Promise<Round>, beside: () => Promise<Round>): Promise<Cost> {
  const both = async (): Promise<[without: Cost, beside: Cost]> => {
    const [one, other] = await Promise.all([without(), beside()])
    const costs = await Promise.all([one.start(), other.start()])
    await Promise.all([one.end(), other.end()])
    return costs
  }
  // The first round makes plans.
  await both()
  const pairs: [without: Cost, beside: Cost][] = []
  while (pairs.length < ROUNDS) pairs.push(await both())
  const ratio = (of: keyof Cost) => median(pairs.map(([one, other]) => other[of] / one[of]))
  const ratios = { seconds: ratio('seconds'), cpu: ratio('cpu'), statements: ratio('statements') }
  const shown = (of: keyof Cost, digits: number) =>
    pairs.map((pair) => pair.map((one) => one[of].toFixed(digits)).join('/')).join(' ')
  console.log(JSON.stringify(ratios), `${shown('cpu', 0)} µs a task, ${shown('statements', 0)} statements`)
  return ratios
}

const LIMITS: [what: string, rateLimit: RateLimit][] = [
  ['waits for its next permit', { max: 10, perSeconds: 3_600 }],
  ['starts 50 times a second', { max: 50, perSeconds: 1 }],
  ['starts 20 times a minute for each of 50 keys', { max: 20, perSeconds: 60, key: keyOf }],
]

describe.each(LIMITS)('the backlog of a type that %s takes less than 3 %% from others', (_what, limit) => {
  test.each<[what: string, work: keyof Free]>([
    ['have waited', 'drain'],
    ['are being created', 'runCreated'],
  ])('that %s', LONG, async (_what, work) => {
    const [without, beside] = [await startFree(0, limit), await startFree(BACKLOG, limit)]
    const ratios = await compare(without[work], beside[work])
    for (const [of, ratio] of Object.entries(ratios)) expect(ratio, of).toBeLessThan(1.03)
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
