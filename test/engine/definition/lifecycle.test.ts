import { expect, test } from 'vitest'
import { isFinished, percentOf, type TaskStatus } from '../../../src/engine/definition/lifecycle.ts'

test.each<[TaskStatus, boolean]>([
  ['pending', false],
  ['running', false],
  ['completed', true],
  ['failed', true],
  ['cancelled', true],
])('isFinished(%s) is %s', (status, finished) => {
  expect(isFinished(status)).toBe(finished)
})

test.each<[TaskStatus, number, number, number]>([
  ['pending', 0, 0, 0],
  ['running', 5, 0, 0],
  ['running', 0, 10, 0],
  ['running', 1, 3, 33],
  ['running', 2, 3, 66],
  ['running', 999, 1000, 99],
  ['running', 10, 10, 100],
  ['running', 2_147_483_646, 2_147_483_647, 99],
  ['failed', 1, 3, 33],
  ['cancelled', 1, 3, 33],
  ['completed', 0, 0, 100],
  ['completed', 10, 10, 100],
])('percentOf(%s, %d of %d) is %d', (status, progress, total, percent) => {
  expect(percentOf(status, progress, total)).toBe(percent)
})
