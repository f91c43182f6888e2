import { expect, test } from 'vitest'
import { HEALTH_CODES } from '../../src/contract/health.ts'
import { en } from '../../src/dashboard/i18n/en.ts'
import { translate } from '../../src/dashboard/i18n/translate.ts'
import { zh } from '../../src/dashboard/i18n/zh.ts'
import { assessHealth } from '../../src/engine/executor/health.ts'
import { assessFleet, databaseAway, type HealthFacts } from '../../src/engine/manager/health-rules.ts'
import type { ListedExecutor } from '../../src/engine/store/executors.ts'
import { listedExecutor } from '../support/listed-executor.ts'

const executor = (changes: Partial<ListedExecutor>) =>
  listedExecutor({ slots: 3, runningTasks: ['t1', 't2', 't3'], ...changes })

const loop = (name: string, sinceLastPassMs: number) => ({
  health: { loop: name, running: true, sinceLastPassMs, failures: 0, lastError: undefined },
  staleAfterMs: 1_000,
})

/** A process with every cause at once. */
const here = assessHealth({
  started: true,
  stopping: false,
  loops: [loop('claim', 61_000), loop('heartbeat', 62_000)],
  slots: 3,
  running: 3,
  stuck: [],
  clockBehindMs: 4_000,
  shortage:
    'all 17 connections of the pool have been held for 18 s: handlers or routes wait for one another, or the pool is too small',
})

const NONE = { pending: 0, running: 0, completed: 0, failed: 0, cancelled: 0 }

/** All that can be wrong at once. */
const ILL: HealthFacts = {
  executors: [
    executor({ stuck: ['t1', 't2'] }),
    executor({ id: 'e2', heartbeatAgeMs: 29_000 }),
    executor({ id: 'e3', heartbeatAgeMs: 90_000, alive: false }),
  ],
  stats: {
    byStatus: NONE,
    byType: [{ taskType: 'b', ...NONE, pending: 9, waitingFor: 'executor' }],
    oldestClaimableSeconds: 125,
  },
  ended: [{ taskType: 'a', completed: 40, failed: 12 }],
  failedSchedules: ['nightly'],
  local: { reasons: here.reasons, warnings: here.warnings, blockedMs: 2_345 },
}

const reasons = [
  ...assessFleet(ILL).reasons,
  ...assessFleet({ ...ILL, executors: [] }).reasons.filter(({ code }) => code === 'NO_EXECUTOR'),
  ...databaseAway().reasons,
]
const numbersOf = (text: string) => (text.match(/\d+(\.\d+)?/g) ?? []).sort()

test('every reason of bad health is told', () => {
  expect(reasons.map(({ code }) => code).sort()).toEqual([...HEALTH_CODES].sort())
})

test.each(reasons)('$code shows the same numbers in both languages', ({ code, text }) => {
  expect(translate(code, text, en)).toBe(text)
  const chinese = translate(code, text, zh)
  expect(numbersOf(chinese)).toEqual(numbersOf(text))
  // Names of loops are the same everywhere.
  expect(chinese.replaceAll(/claim|heartbeat/g, '')).not.toMatch(/[A-Za-z]/)
  expect(chinese).toMatch(/。$/)
})

test('each cause of a process that cannot run tasks is told', () => {
  const tell = (causes: string[]) => {
    const local = { ...ILL.local, reasons: causes }
    const found = assessFleet({ ...ILL, local }).reasons.find(({ code }) => code === 'EXECUTOR_UNHEALTHY')
    return translate('EXECUTOR_UNHEALTHY', found?.text ?? '', zh)
  }
  expect(tell(['shutting down'])).toBe('当前进程的执行器无法运行任务：正在停止。')
  expect(tell(['not started'])).toBe('当前进程的执行器无法运行任务：尚未启动。')
  expect(tell([...here.reasons])).toBe(
    '当前进程的执行器无法运行任务：claim 循环已 61 秒没有运行。heartbeat 循环已 62 秒没有运行。',
  )
})

test.each([
  ['TOO_MANY_REQUESTS', 'too many requests of this user; try again in 12 s', '请求过多，请在 12 秒后重试'],
  ['TOO_MANY_REQUESTS', 'too many requests from this address; try again in 9 s', '请求过多，请在 9 秒后重试'],
  ['TOO_MANY_REQUESTS', 'Rate limit exceeded, retry in 1 minute', zh.codes.TOO_MANY_REQUESTS],
  ['TOO_MANY_SCHEDULES', 'there may be 1000 schedules', '定时任务已达上限（1000 个）'],
  ['TOO_MANY_USERS', 'there are 1000 users already', '用户已达上限（1000 个）'],
  ['HANDLERS_STUCK', 'in words of another version: 3', zh.codes.HANDLERS_STUCK],
  ['UNHEARD_OF', 'told by the server alone', 'told by the server alone'],
])('%s: "%s"', (code, message, words) => {
  expect(translate(code, message, zh)).toBe(words)
})
