import { describe, expect, test } from 'vitest'
import { LimitedTypes } from '../../../src/engine/executor/limited-types.ts'
import type { ClaimedTask } from '../../../src/engine/store/claim.ts'

const keyed = {
  ...{ taskType: 'keyed', concurrency: null, globalConcurrency: null, keyed: false },
  rate: { max: 1, windowMs: 3_600_000, keyed: true },
}
const held = { at: 3_600_000, isLeft: false, isHeld: true }

/** Takes part in a claim that takes none of its tasks, and is woken after it. */
function afterClaim(end: { mayHaveLeft: boolean; tookMs: number }, next = held) {
  const planned: number[] = []
  const types = new LimitedTypes([keyed], 60_000, (ms) => planned.push(ms))
  const wake = () => types.recheck([])
  types.openWaiting(['keyed'])
  const claim = types.begin(() => true)
  const result = { tasks: [], at: 0, waiting: ['keyed'], contended: [] }
  if (claim) types.finish(claim, { ...result, nextPermits: new Map([['keyed', next]]) }, end)
  return { types, planned, wake }
}

test('a planned claim finds the type open, even if its timer fires a part of a millisecond early', async () => {
  for (let i = 0; i < 40; i += 1) {
    const { types, planned, wake } = afterClaim({ mayHaveLeft: false, tookMs: 0.1 + i / 100 })
    wake()
    await new Promise((resolve) => setTimeout(resolve, planned[0]))
    expect(types.closed()).toEqual([])
    expect(types.openWaiting(['keyed'])).toBe(true)
  }
})

test('a type that was closed because others came first is claimed without a wake-up', () => {
  const { types, planned } = afterClaim({ mayHaveLeft: true, tookMs: 3 }, { ...held, isLeft: true })
  expect(types.closed()).toEqual(['keyed'])
  expect(planned).toEqual([300])
})

test('keys without a permit that have no due tasks close no type to new tasks', () => {
  const { types, planned, wake } = afterClaim({ mayHaveLeft: false, tookMs: 3 }, { ...held, isHeld: false })
  wake()
  expect(types.closed()).toEqual([])
  expect(planned).toEqual([])
})

test('a claim that stalled for seconds closes the type to new tasks for one second', () => {
  const { planned, wake } = afterClaim({ mayHaveLeft: false, tookMs: 9_000 })
  wake()
  expect(planned).toHaveLength(1)
  expect(planned[0]).toBeLessThanOrEqual(1_000)
})

describe('the next permit of a rate limit', () => {
  const nextPermitAt = (
    limits: typeof keyed,
    other: 'with tasks' | 'without',
    tookMs: number,
    at: number,
  ) => {
    const types = new LimitedTypes([limits], 60_000, () => {})
    types.openWaiting([limits.taskType])
    const claim = types.begin(() => true)
    const tasks = other === 'with tasks' ? [{ taskType: 'other' } as ClaimedTask] : []
    const result = { tasks, at: 0, waiting: [limits.taskType], contended: [] }
    const nextPermits = new Map([[limits.taskType, { ...held, at }]])
    if (claim) types.finish(claim, { ...result, nextPermits }, { mayHaveLeft: true, tookMs })
    return types.nextPermitAt
  }
  const ofWindow = (windowMs: number, isKeyed = true) => ({
    ...keyed,
    rate: { max: 1, windowMs, keyed: isKeyed },
  })

  test.each([
    ['is used when it returns, by a type alone', ofWindow(60_000), 'without', 3, 20, 20],
    ['waits for a hundred times the claim', ofWindow(60_000), 'with tasks', 3, 20, 303],
    ['does so in a type without keys, too', ofWindow(60_000, false), 'with tasks', 3, 20, 303],
    ['waits for 2 % of the window at most', ofWindow(1_000), 'with tasks', 3, 5, 23],
    ['waits for a second at most', ofWindow(3_600_000), 'with tasks', 50, 60, 1_050],
    ['waits for nothing if it returns later', ofWindow(60_000), 'with tasks', 3, 5_000, 5_000],
    ['counts from its return if the claim stalled', ofWindow(1_000), 'with tasks', 500, 100, 120],
  ] as const)('%s', (_what, limits, other, tookMs, at, expected) => {
    expect(nextPermitAt(limits, other, tookMs, at)).toBe(expected)
  })
})
