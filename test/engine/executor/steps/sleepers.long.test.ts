import { expect, onTestFinished, test } from 'vitest'
import { createTaskRegistry } from '../../../../src/engine/definition/registry.ts'
import { createTestDatabase } from '../../../support/database.ts'
import { createEngine, nextEvent } from '../../../support/engine.ts'

const SLEEPERS = 100_000
const ROUNDS = 900
const LONG = { timeout: 300_000 }

const median = (times: readonly number[]) => times.toSorted((a, b) => a - b)[times.length >> 1] ?? Number.NaN

/** Sleepers of attempt 1, due as `dueAt` says of number `i`. */
const insertSleepers = (dueAt: string) => `with slept as (
     insert into async_tasks (task_id, task_type, attempt, created_at, run_at)
     select 'task_s' || i, 'nap', 1, now() - interval '1 hour', ${dueAt} from generate_series(1, ${SLEEPERS}) i
     returning task_id, run_at
   ), steps as (
     insert into async_task_steps (task_id, name, attempt, started_at, ended_at)
     select task_id, 'nap', 1, now() - interval '1 hour', run_at from slept
   )
   insert into async_task_attempts (task_id, attempt, started_at, outcome)
   select task_id, 1, now() - interval '1 hour', 'sleeping' from slept`

const INSERT_ENDED = `insert into async_tasks (task_id, task_type, attempt, status, created_at, started_at, completed_at)
   select 'task_e' || i, 'nap', 1, 'completed', now() - interval '1 hour', now(), now()
     from generate_series(1, ${SLEEPERS}) i`

async function start(fill: string) {
  const database = await createTestDatabase()
  onTestFinished(() => database.drop())
  const { task } = createTaskRegistry()
  const nap = task('nap')(async (_params, ctx) => {
    await ctx.sleep('nap', { days: 1 })
    return 'woke up'
  })
  const noop = task('noop')(() => {})
  const engine = createEngine(database, [nap, noop], { pollIntervalMs: 50, concurrency: 50 })
  await database.pool.query(fill)
  await database.pool.query('vacuum analyze async_tasks, async_task_steps, async_task_attempts')
  engine.executor.start()
  onTestFinished(() => engine.executor.stop())
  return { ...engine, database, nap, noop }
}

test(
  `${SLEEPERS} sleepers slow neither claims nor lists: they are as with as many ended tasks`,
  LONG,
  async () => {
    const beside = await start(insertSleepers(`now() + interval '1 year' * random() + interval '1 hour'`))
    const without = await start(INSERT_ENDED)
    const times = { claim: [[], []], list: [[], []], listed: [[], []] } as Record<
      string,
      [number[], number[]]
    >
    const timed = async (what: string, side: 0 | 1, work: () => Promise<unknown>) => {
      const begun = performance.now()
      await work()
      times[what] ??= [[], []]
      times[what][side].push(performance.now() - begun)
    }
    for (let i = 0; i < ROUNDS; i += 1) {
      for (const side of i % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const)) {
        const { manager, events, noop, nap } = side === 0 ? beside : without
        const type = i % 4 < 2 ? nap : noop
        const ended = nextEvent(events, 'ended')
        await timed('create', side, () => manager.createTask(type))
        await timed(type === nap ? 'claim and sleep' : 'claim', side, () => ended)
        await timed('list', side, () => manager.listTasks())
        await timed('listed', side, () =>
          manager.listTasks({ status: [side === 0 ? 'pending' : 'completed'] }),
        )
      }
    }
    const ratios = Object.entries(times).map(([what, [some, none]]) => {
      // Of each pair, measured one right after the other: other load meets both.
      const ratio = median(some.map((ms, i) => ms / (none[i] ?? Number.NaN)))
      console.log(
        `${what}: ${median(some).toFixed(2)} ms, ${median(none).toFixed(2)} ms without: ${ratio.toFixed(3)}`,
      )
      return ratio
    })
    expect(Math.max(...ratios)).toBeLessThanOrEqual(1.05)
  },
)

test(
  `${SLEEPERS} sleepers that are due in the same second start in order, and none is lost`,
  LONG,
  async () => {
    const { database, manager } = await start(
      insertSleepers(`now() + interval '15 seconds' + i * interval '10 microseconds'`),
    )
    const left = async () => (await manager.listTasks({ status: ['pending', 'running'] })).total
    const begun = performance.now()
    await expect.poll(left, { timeout: 240_000, interval: 1_000 }).toBe(0)
    console.log(`all ended ${((performance.now() - begun) / 1_000).toFixed(0)} s later`)
    const { rows } = await database.pool.query(
      `select count(*)::int as tasks, count(*) filter (where run_at < latest)::int as overtaken,
            count(*) filter (where status = 'completed' and attempt = 2 and retry_count = 0)::int as completed
       from (select *, max(run_at) over (order by started_at, run_at rows between unbounded preceding and 1 preceding)
                         as latest from async_tasks) t`,
    )
    expect(rows).toEqual([{ tasks: SLEEPERS, overtaken: 0, completed: SLEEPERS }])
  },
)
