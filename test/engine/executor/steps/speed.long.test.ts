import { execFile } from 'node:child_process'
import path from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { createTaskRegistry } from '../../../../src/engine/definition/registry.ts'
import { useEngines } from '../../../support/engines.ts'

const engines = useEngines()
const LONG = { timeout: 240_000 }
const STEPS = path.resolve(import.meta.dirname, '../../../bench/steps.ts')

const median = (all: readonly number[]) => all.toSorted((a, b) => a - b)[all.length >> 1] ?? Number.NaN

/** In a separate process: the test runner transforms the engine's modules, which makes them slower, but not the driver. */
async function measureSteps(): Promise<{ stepPerRow: number; stepPerMark: number }[]> {
  const { stdout } = await promisify(execFile)(process.execPath, [STEPS])
  console.log(stdout)
  return [...stdout.matchAll(/^\{.*\}$/gm)].map(([line]) => JSON.parse(line))
}

test('a step of one run costs little more than the commit of one row', LONG, async () => {
  const [onThisDisk, onSlowerDisk] = await measureSteps()
  expect(onThisDisk?.stepPerMark).toBeLessThanOrEqual(1.3)
  expect(onSlowerDisk?.stepPerRow).toBeLessThanOrEqual(1.3)
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
