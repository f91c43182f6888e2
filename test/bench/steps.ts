import { parseArgs } from 'node:util'
import type pg from 'pg'
import { createPool } from '../../src/db/client.ts'
import { EngineSchema } from '../../src/db/engine-schema.ts'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { createEngine } from '../support/engine.ts'
import { withScratchServer } from './scratch-server.ts'
import { median } from './statistics.ts'

/**
 * What a step of one run costs, beside the commit of one row: on a PostgreSQL with fsync, whose syncs are made longer.
 *
 * node test/bench/steps.ts --sync 0 --sync 800
 */

const { values } = parseArgs({
  options: {
    /** Microseconds that each sync takes longer: a cloud's disk takes a millisecond, a local one may take none. */
    sync: { type: 'string', multiple: true, default: ['0', '800'] },
    /** Short ones, in turns: other load meets all sides alike. */
    rounds: { type: 'string', default: '40' },
  },
})
const IN_A_ROW = 50
/** Runs before the one that is measured make the plans. */
const FIRST_RUNS = 1
/** Before all: V8 compiles the last of the code after some 20,000 steps. */
const RUNS_TO_COMPILE = 10

async function timed(work: (i: number) => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  for (let i = 0; i < IN_A_ROW; i += 1) await work(i)
  return (performance.now() - begun) / IN_A_ROW
}

const SIDES = ['row', 'unprepared', 'mark', 'step'] as const
type Round = Record<(typeof SIDES)[number], number>

/**
 * `row`: the least that a commit may write, with a prepared statement. `unprepared`: the same with `pool.query(text, values)`,
 * as apps write it. `mark`: so, too, what an app without steps would have: a row for each finished part of a task.
 */
const TABLES = `
  create table if not exists rows (id bigint generated always as identity primary key, name text);
  create table if not exists marks (
    id bigint generated always as identity,
    task_id varchar(50) not null references async_tasks (task_id) on delete cascade,
    name varchar(200) not null,
    attempt integer not null,
    result text,
    started_at timestamptz not null,
    ended_at timestamptz not null,
    primary key (task_id, name)
  );
  create index if not exists marks_by_id on marks (task_id, id)`

/** Runs commits of one row, of one mark, and steps in turns. Returns milliseconds of each. */
async function measure(pool: pg.Pool, url: string, firstRuns: number): Promise<Round[]> {
  await pool.query(TABLES)
  const row = 'insert into rows (name) values ($1)'
  const mark = `insert into marks (task_id, name, attempt, result, started_at, ended_at) values ($1, $2, $3, $4, $5, $6)`
  let rounds: Round[] = []
  const stepped = createTaskRegistry().task('stepped')(async (_params, ctx) => {
    rounds = []
    for (let round = 0; round < Number(values.rounds); round += 1) {
      const nameOf = (i: number) => `step ${round} ${i}`
      const work = {
        row: (i: number) => pool.query({ name: 'row', text: row, values: [nameOf(i)] }),
        unprepared: (i: number) => pool.query(row, [nameOf(i)]),
        mark: (i: number) => pool.query(mark, [ctx.taskId, nameOf(i), 1, String(i), new Date(), new Date()]),
        step: (i: number) => ctx.step(nameOf(i), () => i),
      }
      const times = new Map<string, number>()
      for (let turn = 0; turn < SIDES.length; turn += 1) {
        const side = SIDES[(round + turn) % SIDES.length] ?? 'row'
        times.set(side, await timed(work[side]))
      }
      rounds.push(Object.fromEntries(times) as Round)
    }
  })
  const drop = async () => {}
  const database = { url, directUrl: url, pool, schema: EngineSchema.public, prepared: true, drop }
  const { manager, executor } = createEngine(database, [stepped])
  executor.start()
  for (let run = 0; run <= firstRuns; run += 1)
    await manager.waitFor((await manager.createTask(stepped)).taskId, { timeoutMs: 100_000 })
  await executor.stop()
  return rounds
}

const show = (number: number) => Number(number.toFixed(3))

/** Medians in milliseconds, and of each round's ratios. */
async function measureWith(syncDelay: number, url: string, firstRuns = FIRST_RUNS) {
  const delayed = new URL(url)
  delayed.searchParams.set('options', `-c commit_delay=${syncDelay} -c commit_siblings=0`)
  const pool = createPool({ connectionString: delayed.href })
  const rounds = await measure(pool, delayed.href, firstRuns)
  await pool.end()
  const ms = Object.fromEntries(SIDES.map((side) => [side, show(median(rounds.map((one) => one[side])))]))
  const ratioTo = (side: Exclude<(typeof SIDES)[number], 'step'>) =>
    show(median(rounds.map((one) => one.step / one[side])))
  return {
    syncDelayMicros: syncDelay,
    ms,
    stepPerRow: ratioTo('row'),
    stepPerUnprepared: ratioTo('unprepared'),
    stepPerMark: ratioTo('mark'),
  }
}

await withScratchServer({ durable: true }, async (url) => {
  await measureWith(0, url, RUNS_TO_COMPILE)
  for (const sync of values.sync) console.log(JSON.stringify(await measureWith(Number(sync), url)))
})
