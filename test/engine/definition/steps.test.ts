import { expect, test } from 'vitest'
import { checkStepName, readUntil } from '../../../src/engine/definition/steps.ts'

test.each<[unknown, string]>([
  ['start', 'the name of a step must not be "start": a retry from "start" forgets all steps'],
  ['', 'the name of a step must be text of 1 to 200 characters, got one of 0'],
  ['x'.repeat(201), 'the name of a step must be text of 1 to 200 characters, got one of 201'],
  [7, 'the name of a step must be text of 1 to 200 characters, got 7'],
])('a step is not called %j', (name, detail) => {
  expect(() => checkStepName(name)).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT', problems: [{ pointer: '/name', detail }] }),
  )
})

test('a step is called anything else', () => {
  for (const name of ['Start', ' start', 'started', '汉']) expect(() => checkStepName(name)).not.toThrow()
})

test.each<[unknown, string, string]>([
  [
    3_153_600_000_000,
    'until',
    'until must be at most ten years (316224000000 ms) ahead, got 3153600000000 ms',
  ],
  [
    new Date('3000-01-01'),
    'until',
    'until must be at most ten years (316224000000 ms) ahead, got 3000-01-01T00:00:00.000Z',
  ],
  [{ hours: -1 }, 'until/hours', 'until.hours must be a number of 0 or more, got -1'],
])('a sleep until %j is refused', (until, field, detail) => {
  expect(() => readUntil(until)).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT', problems: [{ pointer: `/${field}`, detail }] }),
  )
})
