import { expect, test } from 'vitest'
import type { ExecutorView, TaskStats, TaskTypeView } from '../../src/client/index.ts'
import { type Wait, whyWaiting } from '../../src/dashboard/state/why-waiting.ts'

const NOW = Date.parse('2026-01-01T00:00:00Z')
const DUE = { status: 'pending', taskType: 'a', runAt: new Date(NOW - 60_000) } as const

const TYPE: TaskTypeView = {
  taskType: 'a',
  timeoutSeconds: 1,
  maxRetries: 0,
  retryBaseMs: 1,
  retry: null,
  priority: 0,
  concurrency: null,
  globalConcurrency: null,
  rateLimit: null,
  paused: false,
  params: {},
}
const rateLimit = (nextPermitAt: Date | null) => ({ max: 1, perSeconds: 1, keyed: false, nextPermitAt })

const executor = (runningTasks: string[], taskTypes = ['a']): ExecutorView => ({
  ...{ id: 'e', host: 'h', pid: 1, version: '1', slots: 2, startedAt: new Date(0) },
  ...{ heartbeatAgeMs: 0, alive: true, stuck: [], runningTasks, taskTypes },
})
const FREE = executor(['x'])
const FULL = executor(['x', 'y'])

function stats(running: number, waitingFor?: 'executor'): TaskStats {
  const counts = { pending: 1, running, completed: 0, failed: 0, cancelled: 0 }
  return {
    byStatus: counts,
    byType: [{ taskType: 'a', ...counts, waitingFor }],
    isCapped: false,
    oldestDueSeconds: 60,
    finishedPerMinute: [],
  }
}

type Given = { type?: Partial<TaskTypeView>; executors?: ExecutorView[]; stats?: TaskStats; task?: object }

test.each<[string, Given, Wait | undefined]>([
  ['its type is paused', { type: { paused: true } }, 'paused'],
  [
    'its type is paused, and it is due later',
    { type: { paused: true }, task: { runAt: new Date(NOW + 1) } },
    'paused',
  ],
  ['it is due later', { executors: [FULL], task: { runAt: new Date(NOW + 1) } }, undefined],
  ['it has just become due', { executors: [FULL], task: { runAt: new Date(NOW - 1_000) } }, undefined],
  ['it runs', { executors: [FULL], task: { status: 'running' } }, undefined],
  ['no executor has its type', { stats: stats(0, 'executor') }, 'executor'],
  ['the next permit is ahead', { type: { rateLimit: rateLimit(new Date(NOW + 1)) } }, 'rate'],
  ['a permit is there', { type: { rateLimit: rateLimit(null) } }, undefined],
  ['as many run as may in all processes', { type: { globalConcurrency: 3 }, stats: stats(3) }, 'limit'],
  [
    'as many run as may in each process',
    { type: { concurrency: 1 }, executors: [FREE, FREE], stats: stats(2) },
    'limit',
  ],
  ['fewer run', { type: { concurrency: 1 }, executors: [FREE, FREE], stats: stats(1) }, undefined],
  ['all slots are in use', { executors: [FULL] }, 'slots'],
  ['only executors without its type have slots', { executors: [FULL, executor([], ['b'])] }, 'slots'],
  ['an executor has a slot', { executors: [FULL, FREE] }, undefined],
  ['no executor is known', { executors: [] }, undefined],
])('a task says what it waits for where %s', (_name, given, expected) => {
  const known = {
    types: [{ ...TYPE, ...given.type }],
    executors: given.executors ?? [FREE],
    stats: given.stats ?? stats(0),
  }
  expect(whyWaiting({ ...DUE, ...given.task }, NOW, known)).toBe(expected)
})
