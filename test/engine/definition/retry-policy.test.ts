import { describe, expect, test } from 'vitest'
import {
  backoffDelayMs,
  completeBackoff,
  findRetryPolicyProblem,
  policyDelayMs,
  type RetryBackoff,
  type RetryPolicy,
} from '../../../src/engine/definition/retry-policy.ts'

const waits = (policy: RetryBackoff, retries: readonly number[], random?: () => number) =>
  retries.map((retry) => backoffDelayMs(completeBackoff(policy, 1_000), retry, random))

describe('as data', () => {
  test('waits double from the base', () => {
    expect(waits({}, [0, 1, 2, 3])).toEqual([1_000, 2_000, 4_000, 8_000])
    expect(waits({ baseMs: 50 }, [0, 1, 2])).toEqual([50, 100, 200])
  })

  test('waits end at an hour, however many retries there were', () => {
    const all = waits(
      {},
      Array.from({ length: 101 }, (_, retry) => retry),
    )
    expect(all[11]).toBe(2_048_000)
    expect(all.slice(12)).toEqual(Array(89).fill(3_600_000))
    expect(waits({ baseMs: 3_600_000 }, [0])).toEqual([3_600_000])
    expect(waits({ factor: 1_000 }, [100])).toEqual([3_600_000])
  })

  test('a base of 0 retries at once, always', () => {
    expect(waits({ baseMs: 0 }, [0, 1, 100])).toEqual([0, 0, 0])
  })

  test('with another factor and another end', () => {
    expect(waits({ factor: 3, maxMs: 5_000 }, [0, 1, 2, 3])).toEqual([1_000, 3_000, 5_000, 5_000])
    expect(waits({ factor: 1 }, [0, 9])).toEqual([1_000, 1_000])
  })

  test('jitter adds or takes off its part, and never goes past the end', () => {
    const at = (random: number) => waits({ jitter: 0.25, maxMs: 2_100 }, [0, 1], () => random)
    expect([at(0), at(0.5), at(1)]).toEqual([
      [750, 1_500],
      [1_000, 2_000],
      [1_250, 2_100],
    ])
    const random = Array.from({ length: 1_000 }, () => waits({ jitter: 1 }, [0])[0] ?? Number.NaN)
    expect(Math.min(...random)).toBeLessThan(200)
    expect(Math.max(...random)).toBeGreaterThan(1_800)
    expect(random.every((ms) => ms >= 0 && ms <= 2_000)).toBe(true)
  })
})

describe('as a function', () => {
  const ask = (policy: RetryPolicy) => {
    const problems: unknown[] = []
    const error = new Error('broken')
    const delayMs = policyDelayMs(policy, { retry: 2, error }, 1_000, (problem) => problems.push(problem))
    return { delayMs, problems }
  }

  test('receives how many retries were spent, and what was thrown', () => {
    const answer = ask(({ retry, error }) =>
      error instanceof Error && error.message === 'broken' ? retry * 10 : 0,
    )
    expect(answer).toEqual({ delayMs: 20, problems: [] })
  })

  test.each([Number.NaN, Number.POSITIVE_INFINITY, -1, 2 ** 31, '5', null, undefined, Promise.resolve(5)])(
    'that returns %j gives way to the default, and that is reported',
    (answer) => {
      const { delayMs, problems } = ask(() => answer as number)
      expect(delayMs).toBe(4_000)
      expect(problems).toEqual([expect.objectContaining({ message: expect.stringContaining('must return') })])
    },
  )

  test('that throws gives way to the default, and that is reported', () => {
    const thrown = new TypeError('x is not y')
    const throwing = () => {
      throw thrown
    }
    expect(ask(throwing)).toEqual({ delayMs: 4_000, problems: [thrown] })
  })
})

test.each<[unknown, string | undefined]>([
  [{}, undefined],
  [() => 1, undefined],
  [{ baseMs: 0, factor: 1, maxMs: 0, jitter: 1 }, undefined],
  [{ baseMs: -1 }, 'retry.baseMs'],
  [{ baseMs: 1.5 }, 'retry.baseMs'],
  [{ factor: 0.5 }, 'retry.factor'],
  [{ maxMs: 2 ** 31 }, 'retry.maxMs'],
  [{ jitter: 1.1 }, 'retry.jitter'],
  [{ base: 5 }, 'retry'],
  [5, 'retry'],
])('%j is checked where a type is made', (policy, problem) => {
  const found = findRetryPolicyProblem(policy)
  if (problem === undefined) expect(found).toBeUndefined()
  else expect(found).toMatch(new RegExp(`^${problem}: `))
})
