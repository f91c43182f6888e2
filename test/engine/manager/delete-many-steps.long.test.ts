import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { createTaskRegistry } from '../../../src/engine/definition/registry.ts'
import { taskSettings } from '../../../src/engine/definition/settings.ts'
import { Pruner } from '../../../src/engine/maintenance/pruner.ts'
import { percentile } from '../../bench/statistics.ts'
import { createTestDatabase, type TestDatabase } from '../../support/database.ts'
import { createEngine, type Engine } from '../../support/engine.ts'
import { withClient } from '../../support/with-client.ts'

const STEPS = 10_000
/** Half of the default lease: the engine gives a statement up after that. */
const STATEMENT_LIMIT_MS = 15_000
const PICK_UP_LIMIT_MS = 1_000
const EVERY_MS = 20

/** Tasks that completed two months ago, each with so many finished steps. */
async function insertTasks(database: TestDatabase, tasks: number): Promise<void> {
  await withClient(database.directUrl, async (client) => {
    await client.query(
      `insert into async_tasks (task_id, task_type, status, created_at, completed_at)
       select 'task_many' || n, 'many_steps', 'completed', now() - interval '60 days', now() - interval '60 days'
         from generate_series(1, $1::int) n`,
      [tasks],
    )
    // The foreign key holds by what is inserted; checking it for each row would take most of the time.
    await client.query('set session_replication_role = replica')
    await client.query(
      `insert into async_task_steps (task_id, name, attempt, result, started_at, ended_at)
       select 'task_many' || t, 'step ' || s, 1, '{"row":1}', now(), now()
         from generate_series(1, $1::int) t, generate_series(1, $2::int) s`,
      [tasks, STEPS],
    )
    await client.query('vacuum (analyze) async_tasks, async_task_steps')
  })
}

const LEFT = `select (select count(*) from async_tasks where task_type = 'many_steps')::int as tasks,
                     (select count(*) from async_task_steps)::int as steps`
const SLOWEST = `select coalesce(max(extract(epoch from clock_timestamp() - query_start)) * 1000, 0)::float8 as ms
                   from pg_stat_activity
                  where datname = current_database() and state = 'active' and query like '%delete from%'`

/** While `work` runs: how long tasks waited for their start, and how long its slowest statement was seen to run. */
async function watch(database: TestDatabase, start: () => Promise<number>, work: Promise<unknown>) {
  let isOver = false
  const over = work.finally(() => {
    isOver = true
  })
  // Heard of where it is awaited, below.
  over.catch(() => {})
  const waits: number[] = []
  let slowestMs = 0
  await withClient(database.directUrl, async (client) => {
    while (!isOver) {
      waits.push(await start())
      slowestMs = Math.max(slowestMs, (await client.query<{ ms: number }>(SLOWEST)).rows[0]?.ms ?? 0)
      await delay(EVERY_MS)
    }
  })
  await over
  return { waits, slowestMs }
}

/** An engine that runs tasks, and how long one waits from its create to its start. */
function startEngine(database: TestDatabase): { engine: Engine; start: () => Promise<number> } {
  let started = () => {}
  const probe = createTaskRegistry().task('probe')(() => started())
  const engine = createEngine(database, [probe], { concurrency: 4 }, { hears: true })
  engine.executor.start()
  onTestFinished(() => engine.executor.stop())
  const start = async () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    started = resolve
    const createdAt = performance.now()
    await engine.manager.createTask(probe)
    await promise
    return performance.now() - createdAt
  }
  return { engine, start }
}

async function deleteAll({ manager }: Engine): Promise<void> {
  let more = true
  while (more) {
    const answer = await manager.bulk({ action: 'delete', filter: { taskType: 'many_steps' } })
    expect(answer.results.filter(({ ok }) => !ok)).toEqual([])
    more = answer.more
  }
}

async function prune({ db, events }: Engine): Promise<void> {
  const pruner = new Pruner({ db, events, settings: taskSettings.parse({}), definitions: new Map() })
  expect(await pruner.prune(new AbortController().signal)).toBe(true)
}

// Pruning takes a few hundred rows at a time, in a third of the time: it does the same thing however many there are.
test.each([
  ['a bulk delete', 1_000, deleteAll],
  ['pruning', 100, prune],
])(
  '%s of %d tasks with 10,000 finished steps each does not hold other work',
  {
    timeout: 3_600_000,
  },
  async (_name, tasks, remove) => {
    const database = await createTestDatabase()
    onTestFinished(() => database.drop())
    await insertTasks(database, tasks)
    const { engine, start } = startEngine(database)
    await start()
    const from = performance.now()
    const { waits, slowestMs } = await watch(database, start, remove(engine))
    const seconds = (performance.now() - from) / 1_000
    const ms = (share: number) => Math.round(percentile(waits, share))
    console.log(
      `${tasks * STEPS} steps in ${Math.round(seconds)} s; slowest statement ${Math.round(slowestMs)} ms; ` +
        `${waits.length} starts meanwhile: p50 ${ms(0.5)}, p99 ${ms(0.99)}, max ${ms(1)} ms`,
    )
    expect((await database.pool.query(LEFT)).rows).toEqual([{ tasks: 0, steps: 0 }])
    expect(slowestMs).toBeLessThan(STATEMENT_LIMIT_MS)
    expect(ms(1)).toBeLessThan(PICK_UP_LIMIT_MS)
  },
)
