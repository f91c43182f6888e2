import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createTestDatabase } from '../../support/database.ts'
import { commands } from './commands.ts'
import { Model } from './model.ts'
import { Real, SLOTS } from './real.ts'

const LONG = process.env.CHAOS === 'long'
const RUNS = LONG ? 200 : 16
const seed = Number(process.env.CHAOS_SEED)

test(`whatever happens in whatever order, two executors do what the model does (CHAOS_SEED=${seed})`, {
  timeout: LONG ? 1_800_000 : 180_000,
}, async () => {
  let steps = 0
  const life = fc.asyncProperty(fc.commands(commands, { maxCommands: 40, size: 'max' }), async (drawn) => {
    const database = await createTestDatabase()
    const real = new Real(database)
    try {
      await fc.asyncModelRun(() => ({ model: new Model(SLOTS), real }), drawn)
      steps += [...drawn].length
    } finally {
      await real.stop()
      await database.drop()
    }
  })
  await fc.assert(life, {
    seed,
    numRuns: RUNS,
    endOnFailure: true,
    interruptAfterTimeLimit: LONG ? 1_700_000 : 120_000,
  })
  expect(steps).toBeGreaterThan(RUNS)
})
