import { expect, test } from 'vitest'
import { checkStepName } from '../../../src/engine/definition/steps.ts'

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
