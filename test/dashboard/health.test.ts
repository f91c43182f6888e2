import { expect, test } from 'vitest'
import type { ExecutorView, TaskStats } from '../../src/client/index.ts'
import { findManualRetries } from '../../src/dashboard/pages/task/manual-retries.ts'
import { type Health, healthOf } from '../../src/dashboard/state/health.ts'

const ALIVE: ExecutorView = {
  id: 'a',
  host: 'h',
  pid: 1,
  version: '1',
  slots: 2,
  runningTasks: [],
  taskTypes: [],
  startedAt: new Date(0),
  heartbeatAgeMs: 1_000,
  alive: true,
  stuck: [],
}
const DEAD: ExecutorView = { ...ALIVE, id: 'd', alive: false, heartbeatAgeMs: 18 * 60_000 }
const BUSY: ExecutorView = { ...ALIVE, runningTasks: ['x', 'y'] }

function stats(failed: number, completed: number, oldestDueSeconds: number | null = null): TaskStats {
  const minute = { minute: new Date(0), completed: 0, failed: 0, cancelled: 0 }
  return {
    byStatus: { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 },
    byType: [],
    isCapped: false,
    oldestDueSeconds,
    finishedPerMinute: [{ ...minute, failed }, { ...minute, completed }, minute],
  }
}

const WITHOUT_EXECUTOR: TaskStats = {
  ...stats(0, 10, 90),
  byType: [
    {
      taskType: 'mail',
      waitingFor: 'executor',
      pending: 3,
      running: 0,
      completed: 0,
      failed: 0,
      cancelled: 0,
    },
  ],
}

test.each<[string, ExecutorView[] | undefined, TaskStats | undefined, Health]>([
  ['nothing is known', undefined, undefined, 'unknown'],
  ['none is alive', [DEAD], stats(0, 0), 'down'],
  ['executors live, and nobody knows what waits', [ALIVE], undefined, 'unknown'],
  ['due tasks are of a type that no live executor has', [ALIVE], WITHOUT_EXECUTOR, 'missing'],
  ['all is well', [ALIVE], stats(1, 99), 'ok'],
  ['one of three has died', [ALIVE, DEAD, ALIVE], stats(0, 10), 'lost'],
  ['one died yesterday', [ALIVE, { ...DEAD, heartbeatAgeMs: 86_000_000 }], stats(0, 10), 'ok'],
  ['a handler is stuck', [{ ...ALIVE, stuck: ['x'] }], stats(0, 0), 'stuck'],
  ['a heartbeat is late', [{ ...ALIVE, heartbeatAgeMs: 20_000 }], stats(0, 0), 'late'],
  ['slots are full and tasks wait', [BUSY], stats(0, 10, 28 * 60), 'backlog'],
  [
    'slots are full and only tasks wait that cannot start',
    [BUSY],
    { ...stats(0, 10, 28 * 60), oldestClaimableSeconds: null },
    'ok',
  ],
  [
    'slots are full and tasks wait beside those that cannot start',
    [BUSY],
    { ...stats(0, 10, 28 * 60), oldestClaimableSeconds: 90 },
    'backlog',
  ],
  ['slots are full and nothing waits long', [BUSY], stats(0, 10, 20), 'ok'],
  ['tasks that are due wait for something else than slots', [ALIVE], stats(0, 10, 600), 'ok'],
  ['a burst failed', [ALIVE], stats(231, 20), 'failing'],
  ['few of many failed', [ALIVE], stats(20, 2_000), 'ok'],
  ['very few ran at all', [ALIVE], stats(2, 0), 'ok'],
])('where %s, the pill says so', (_name, executors, counted, health) => {
  expect(healthOf(executors, counted)).toBe(health)
})

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
  expect([...found].sort()).toEqual(expected)
})
