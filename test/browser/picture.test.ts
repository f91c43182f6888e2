import { test } from 'vitest'
import { compareAfter } from './picture.ts'

test('after 400 random changes by two processes a watch and a list show what the table holds', async () => {
  await compareAfter(400)
})
