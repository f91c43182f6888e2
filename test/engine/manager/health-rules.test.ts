import { describe, expect, test } from 'vitest'
import type { HealthReason } from '../../../src/contract/health.ts'
import { assessFleet, databaseAway, type HealthFacts } from '../../../src/engine/manager/health-rules.ts'
import { listedExecutor as executor } from '../../support/listed-executor.ts'

const full = [executor({ runningTasks: ['t1', 't2'] })]
const NONE = { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 }
const waiting = (oldestClaimableSeconds: number) => ({ byStatus: NONE, byType: [], oldestClaimableSeconds })

const WELL: HealthFacts = {
  executors: [executor()],
  stats: waiting(0),
  ended: [{ taskType: 'a', completed: 100, failed: 0 }],
  failedSchedules: [],
  local: { reasons: [], warnings: [], blockedMs: 0 },
}

const assess = (changes: Partial<HealthFacts>) => assessFleet({ ...WELL, ...changes })

test('where all is well there is no reason', () => {
  expect(assessFleet(WELL)).toEqual({ level: 'green', reasons: [] })
})

const dead = (heartbeatAgeMs: number) => executor({ id: 'e2', alive: false, heartbeatAgeMs })

const CASES: [Partial<HealthFacts>, Pick<HealthReason, 'code' | 'level'> & Partial<HealthReason>][] = [
  [{ executors: [] }, { code: 'NO_EXECUTOR', level: 'red' }],
  [{ executors: [dead(3_600_000)] }, { code: 'NO_EXECUTOR', level: 'red' }],
  [
    { executors: [executor(), dead(9 * 60_000)] },
    {
      code: 'EXECUTOR_DIED',
      level: 'amber',
      text: '1 executor died in the last 10 minutes.',
      evidence: { executorIds: ['e2'] },
    },
  ],
  [
    { executors: [executor({ heartbeatAgeMs: 19_000 })] },
    { code: 'HEARTBEAT_LATE', level: 'amber', evidence: { executorIds: ['e1'] } },
  ],
  [
    { executors: [executor(), executor({ id: 'e2', leaseMs: 1_500 })] },
    { code: 'HEARTBEAT_LATE', level: 'amber', evidence: { executorIds: ['e2'] } },
  ],
  [
    { executors: [executor({ stuck: ['t1', 't2'] })] },
    { code: 'HANDLERS_STUCK', level: 'amber', evidence: { taskIds: ['t1', 't2'] } },
  ],
  [
    { executors: full, stats: waiting(61) },
    {
      code: 'SLOTS_FULL',
      level: 'amber',
      text: 'All 2 slots are in use, and a due task has waited for 61 s.',
    },
  ],
  [
    { executors: full, stats: waiting(601) },
    { code: 'SLOTS_FULL', level: 'red' },
  ],
  [
    { stats: { ...waiting(0), byType: [{ taskType: 'b', ...NONE, pending: 1, waitingFor: 'executor' }] } },
    { code: 'TYPE_UNSERVED', level: 'amber', evidence: { taskTypes: ['b'] } },
  ],
  [
    {
      ended: [
        { taskType: 'a', completed: 35, failed: 2 },
        { taskType: 'b', completed: 5, failed: 4 },
      ],
    },
    {
      code: 'TASKS_FAIL',
      level: 'amber',
      text: '6 of the 46 tasks that ended in the last 5 minutes failed.',
      evidence: { taskTypes: ['b', 'a'] },
    },
  ],
  [
    {
      ended: [
        { taskType: null, completed: 5, failed: 9 },
        { taskType: 'a', completed: 5, failed: 1 },
      ],
    },
    {
      code: 'TASKS_FAIL',
      level: 'amber',
      text: '10 of the 20 tasks that ended in the last 5 minutes failed.',
      evidence: { taskTypes: ['a'] },
    },
  ],
  [{ ended: [{ taskType: 'a', completed: 5, failed: 6 }] }, { code: 'TASKS_FAIL', level: 'red' }],
  [
    { failedSchedules: ['nightly'] },
    {
      code: 'SCHEDULE_FAILED',
      level: 'amber',
      text: 'The last tick of 1 schedule created no task.',
      evidence: { schedules: ['nightly'] },
    },
  ],
  [{ local: { ...WELL.local, blockedMs: 1_500 } }, { code: 'EVENT_LOOP_BLOCKED', level: 'amber' }],
  [{ local: { ...WELL.local, blockedMs: 11_000 } }, { code: 'EVENT_LOOP_BLOCKED', level: 'red' }],
  [
    { local: { ...WELL.local, reasons: ['the poller loop has not run for 20 s'] } },
    { code: 'EXECUTOR_UNHEALTHY', level: 'red' },
  ],
  [{ local: { ...WELL.local, warnings: ['the pool is held'] } }, { code: 'TASKS_DELAYED', level: 'amber' }],
]

describe('the rule of', () => {
  test.each(CASES.map(([facts, reason]) => [reason.code, reason.level, facts, reason] as const))(
    '%s makes it %s, by itself',
    (_code, level, facts, reason) => {
      const health = assess(facts)
      expect(health.level).toBe(level)
      expect(health.reasons).toMatchObject([reason])
    },
  )
})

test('what is usual is no reason', () => {
  const usual: Partial<HealthFacts>[] = [
    { executors: [executor(), dead(11 * 60_000)] },
    { executors: [executor({ heartbeatAgeMs: 17_000 })] },
    { executors: [executor({ heartbeatAgeMs: 60_000, leaseMs: 3_600_000 })] },
    { executors: full, stats: waiting(59) },
    // Others have slots: a limit makes it wait.
    { executors: [...full, executor()], stats: waiting(600) },
    { ended: [{ taskType: 'a', completed: 0, failed: 4 }] },
    { ended: [{ taskType: 'a', completed: 91, failed: 9 }] },
    { local: { ...WELL.local, blockedMs: 900 } },
  ]
  expect(usual.map((facts) => assess(facts).level)).toEqual(usual.map(() => 'green'))
})

test('the worst reason comes first and gives the level', () => {
  const { level, reasons } = assess({ executors: [dead(1_000)], failedSchedules: ['a', 'b'] })
  expect(level).toBe('red')
  expect(reasons.map(({ code }) => code)).toEqual(['NO_EXECUTOR', 'EXECUTOR_DIED', 'SCHEDULE_FAILED'])
})

test('while the database is away, nothing else is known', () => {
  expect(databaseAway()).toMatchObject({
    level: 'red',
    reasons: [{ code: 'DATABASE_AWAY' }],
  })
})
