import { expect, test } from 'vitest'
import { createTaskRegistry } from '../../../../src/engine/definition/registry.ts'
import { useEngines } from '../../../support/engines.ts'

const engines = useEngines()
const LONG = { timeout: 240_000 }
/** Short ones, in turns: other load meets both sides alike. */
const ROUNDS = 40
const IN_A_ROW = 50

const median = (all: readonly number[]) => all.toSorted((a, b) => a - b)[all.length >> 1] ?? Number.NaN

async function timed(work: (i: number) => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  for (let i = 0; i < IN_A_ROW; i += 1) await work(i)
  return (performance.now() - begun) / IN_A_ROW
}

test('a step of one run costs little more than the commit of one row', LONG, async () => {
  const { pool } = engines.database
  await pool.query('create table rows (id bigint generated always as identity primary key, name text)')
  const text = 'insert into rows (name) values ($1)'
  const rounds: { row: number; step: number }[] = []
  const stepped = createTaskRegistry().task('stepped')(async (_params, ctx) => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const row = () => timed((i) => pool.query({ name: 'row', text, values: [`step ${round} ${i}`] }))
      const step = () => timed((i) => ctx.step(`step ${round} ${i}`, () => i))
      if (round % 2 === 0) rounds.push({ row: await row(), step: await step() })
      else {
        const first = await step()
        rounds.push({ row: await row(), step: first })
      }
    }
  })
  const { manager } = engines.start([stepped])
  const once = async () => manager.waitFor((await manager.createTask(stepped)).taskId, { timeoutMs: 100_000 })
  // The code is compiled by then, and the plans are made.
  await once()
  rounds.length = 0
  await once()
  const ratio = median(rounds.map(({ row, step }) => step / row))
  const [row, step] = (['row', 'step'] as const).map((side) => median(rounds.map((one) => one[side])))
  const { rows } = await pool.query<{ fsync: string; version: string }>(
    `select current_setting('fsync') as fsync, current_setting('server_version') as version`,
  )
  console.log(
    `PostgreSQL ${rows[0]?.version}, fsync ${rows[0]?.fsync}: a commit of one row ${row?.toFixed(3)} ms, ` +
      `a step ${step?.toFixed(3)} ms; median ratio of ${ROUNDS} rounds ${ratio.toFixed(3)}`,
  )
  // Without a wait for the disk, a commit takes a tenth of a millisecond, and a step its round trip.
  expect(ratio).toBeLessThanOrEqual(rows[0]?.fsync === 'on' ? 1.3 : 6)
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
