import { expect, test } from 'vitest'
import { compareAfter } from './picture.ts'

const MAX_STATEMENTS_PER_SECOND = 40

test('within 2 s of 10,000 random changes by two processes a watch and a list show what the table holds', async () => {
  const { lagMs, statementsPerSecond } = await compareAfter(10_000)
  console.log(
    `${Math.round(lagMs)} ms after the last change, ${statementsPerSecond.toFixed(1)} statements a second`,
  )
  expect(lagMs).toBeLessThan(2_000)
  // However many changes there are. Zero would say that nothing was counted.
  expect(statementsPerSecond).toBeGreaterThan(1)
  expect(statementsPerSecond).toBeLessThan(MAX_STATEMENTS_PER_SECOND)
}, 600_000)
