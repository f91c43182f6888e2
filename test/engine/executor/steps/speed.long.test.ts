import type pg from 'pg'
import { expect, test } from 'vitest'
import { createPool } from '../../../../src/db/client.ts'
import { EngineSchema } from '../../../../src/db/engine-schema.ts'
import { createTaskRegistry } from '../../../../src/engine/definition/registry.ts'
import { withScratchServer } from '../../../bench/scratch-server.ts'
import { createEngine } from '../../../support/engine.ts'
import { useEngines } from '../../../support/engines.ts'

const engines = useEngines()
const LONG = { timeout: 240_000 }
/** Short ones, in turns: other load meets both sides alike. */
const ROUNDS = 40
const IN_A_ROW = 50
/** Added to the sync of each commit, in microseconds: a cloud's disk takes a millisecond, a local one may take none. */
const SYNC_DELAY = 800

const median = (all: readonly number[]) => all.toSorted((a, b) => a - b)[all.length >> 1] ?? Number.NaN

async function timed(work: (i: number) => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  for (let i = 0; i < IN_A_ROW; i += 1) await work(i)
  return (performance.now() - begun) / IN_A_ROW
}

/** Runs steps and commits of one row in turns. Returns milliseconds of each, a pair a round. */
async function measure(pool: pg.Pool, url: string): Promise<{ row: number; step: number }[]> {
  const text = 'insert into rows (name) values ($1)'
  let rounds: { row: number; step: number }[] = []
  const stepped = createTaskRegistry().task('stepped')(async (_params, ctx) => {
    rounds = []
    for (let round = 0; round < ROUNDS; round += 1) {
      const row = () => timed((i) => pool.query({ name: 'row', text, values: [`step ${round} ${i}`] }))
      const step = () => timed((i) => ctx.step(`step ${round} ${i}`, () => i))
      const isRowFirst = round % 2 === 0
      const first = await (isRowFirst ? row() : step())
      const second = await (isRowFirst ? step() : row())
      rounds.push(isRowFirst ? { row: first, step: second } : { row: second, step: first })
    }
  })
  const drop = async () => {}
  const database = { url, directUrl: url, pool, schema: EngineSchema.public, prepared: true, drop }
  const { manager, executor } = createEngine(database, [stepped])
  executor.start()
  // The first run compiles the code and makes the plans.
  for (let run = 0; run < 2; run += 1)
    await manager.waitFor((await manager.createTask(stepped)).taskId, { timeoutMs: 100_000 })
  await executor.stop()
  return rounds
}

test('a step of one run costs little more than the commit of one row', LONG, async () => {
  await withScratchServer({ durable: true }, async (url) => {
    const ratioWith = async (delay: number) => {
      const delayed = new URL(url)
      delayed.searchParams.set('options', `-c commit_delay=${delay} -c commit_siblings=0`)
      const pool = createPool({ connectionString: delayed.href })
      await pool.query(
        'create table if not exists rows (id bigint generated always as identity primary key, name text)',
      )
      const rounds = await measure(pool, delayed.href)
      const { rows } = await pool.query<{ commit_delay: string; fsync: string }>(
        `select current_setting('commit_delay') as commit_delay, current_setting('fsync') as fsync`,
      )
      expect(rows).toEqual([{ commit_delay: String(delay), fsync: 'on' }])
      await pool.end()
      const [row, step] = (['row', 'step'] as const).map((side) => median(rounds.map((one) => one[side])))
      const ratio = median(rounds.map(({ row, step }) => step / row))
      console.log(
        `sync ${delay} µs longer: a commit of one row ${row?.toFixed(3)} ms, a step ${step?.toFixed(3)} ms, ` +
          `median ratio of ${ROUNDS} rounds ${ratio.toFixed(3)}`,
      )
      return ratio
    }
    await ratioWith(0)
    expect(await ratioWith(SYNC_DELAY)).toBeLessThanOrEqual(1.3)
  })
})

test('steps of 50 runs at a time share commits', LONG, async () => {
  const stepped = createTaskRegistry().task('stepped')(async ({ steps }, ctx) => {
    for (let i = 0; i < Number(steps); i += 1) await ctx.step(`step ${i}`, () => i)
  })
  const { manager } = engines.start([stepped], { concurrency: 50 })
  const run = async (steps: number) => {
    const created = await manager.createTasks(
      Array.from({ length: 50 }, () => ({ task: stepped, params: { steps } })),
    )
    const begun = performance.now()
    await Promise.all(created.map(({ taskId }) => manager.waitFor(taskId, { timeoutMs: 100_000 })))
    return (50 * steps) / ((performance.now() - begun) / 1_000)
  }
  await run(100)
  const perSecond: number[] = []
  for (let round = 0; round < 5; round += 1) perSecond.push(await run(500))
  console.log(`steps a second: ${perSecond.map((one) => one.toFixed(0)).join(', ')}`)
  expect(median(perSecond)).toBeGreaterThanOrEqual(8_000)
})
