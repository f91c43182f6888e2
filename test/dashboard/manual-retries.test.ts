import { expect, test } from 'vitest'
import { findManualRetries } from '../../src/dashboard/pages/task/manual-retries.ts'

type Attempts = Parameters<typeof findManualRetries>[0]['attempts']

const attemptsOf = (...outcomes: string[]) =>
  outcomes.map((outcome, index) => ({ attempt: index + 1, outcome })) as Attempts
const uncounted = (...attempts: number[]) =>
  attempts.map((attempt) => ({ attempt, outcome: 'failed', spentRetry: false })) as Attempts
const attemptOf = (attempt: number, outcome: string) => [{ attempt, outcome }] as Attempts

test.each([
  ['retries of its own', 'failed', 2, attemptsOf('failed', 'failed', 'failed'), []],
  [
    'a retry by hand after all were used',
    'failed',
    0,
    attemptsOf('failed', 'failed', 'failed', 'failed'),
    [4],
  ],
  ['a retry by hand that waits', 'pending', 0, attemptsOf('failed', 'failed', 'failed'), [4]],
  ['a retry of its own that waits', 'pending', 1, attemptsOf('failed'), []],
  [
    'interruptions, which use no retry',
    'running',
    1,
    attemptsOf('interrupted', 'failed', 'interrupted', ''),
    [],
  ],
  ['a retry of what was completed', 'completed', 0, attemptsOf('completed', 'completed'), [2]],
  ['a retry of what was cancelled', 'pending', 0, attemptsOf('cancelled'), [2]],
  [
    'one by hand after others',
    'failed',
    1,
    attemptsOf('failed', 'failed', 'failed', 'cancelled', 'failed', 'failed'),
    [5],
  ],
  [
    'no retry by hand where one was not counted',
    'pending',
    2,
    [...attemptsOf('failed', 'failed'), ...uncounted(3, 4)],
    [],
  ],
  [
    'one by hand after one that was not counted',
    'running',
    0,
    [...uncounted(7), ...attemptOf(8, 'failed'), ...attemptOf(9, '')],
    [9],
  ],
] as const)('the timeline shows %s', (_name, status, retryCount, attempts, expected) => {
  const found = findManualRetries({ attempts: [...attempts], status, retryCount })
  expect(found).toEqual(new Set(expected))
})
