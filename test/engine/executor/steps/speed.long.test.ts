import { expect, test } from 'vitest'
import { createTaskRegistry } from '../../../../src/engine/definition/registry.ts'
import { useEngines } from '../../../support/engines.ts'

const engines = useEngines()
const STEPS = 1_000

test('a step costs little more than the commit of one row, and steps of 50 runs share commits', {
  timeout: 120_000,
}, async () => {
  const { task } = createTaskRegistry()
  const took: number[] = []
  const stepped = task('stepped')(async ({ steps }, ctx) => {
    const begun = performance.now()
    for (let i = 0; i < Number(steps); i += 1) await ctx.step(`step ${i}`, () => i)
    took.push(performance.now() - begun)
  })
  const { database } = engines
  const { manager } = engines.start([stepped], { concurrency: 50 })
  await database.pool.query(
    'create table rows (id bigint generated always as identity primary key, name text)',
  )
  const commits = async () => {
    const begun = performance.now()
    for (let i = 0; i < STEPS; i += 1) {
      await database.pool.query({
        name: 'row',
        text: 'insert into rows (name) values ($1)',
        values: [`step ${i}`],
      })
    }
    return performance.now() - begun
  }
  const one = async () => {
    const { taskId } = await manager.createTask(stepped, { steps: STEPS })
    await manager.waitFor(taskId, { timeoutMs: 60_000 })
    return took.pop() ?? Number.NaN
  }
  const ratios: number[] = []
  for (let round = 0; round < 5; round += 1) {
    const rows = await commits()
    const steps = await one()
    ratios.push(steps / rows)
    console.log(
      `${STEPS} commits: ${Math.round(rows)} ms; ${STEPS} steps of one run: ${Math.round(steps)} ms`,
    )
  }
  const begun = performance.now()
  const created = await manager.createTasks(
    Array.from({ length: 50 }, () => ({ task: stepped, params: { steps: STEPS } })),
  )
  await Promise.all(created.map(({ taskId }) => manager.waitFor(taskId, { timeoutMs: 100_000 })))
  const perSecond = (50 * STEPS) / ((performance.now() - begun) / 1_000)
  console.log(
    `ratio ${ratios.map((ratio) => ratio.toFixed(2)).join(', ')}; ${Math.round(perSecond)} steps a second`,
  )
  // Without a wait for the disk, a commit takes a tenth of a millisecond, and a step its round trip.
  const { rows } = await database.pool.query<{ fsync: string }>('show fsync')
  expect(Math.min(...ratios)).toBeLessThan(rows[0]?.fsync === 'on' ? 1.3 : 6)
  expect(perSecond).toBeGreaterThan(8_000)
})
