import { expect, test } from 'vitest'
import { compareAfter } from './picture.ts'

test('within 2 s of 10,000 random changes by two processes a watch and a list show what the table holds', async () => {
  expect(await compareAfter(10_000)).toBeLessThan(2_000)
})
