import { describe, expect, test } from 'vitest'
import type { TaskStats } from '../../src/contract/stats.ts'
import { TaskEvents } from '../../src/engine/runtime/events.ts'
import { measureProcess, TaskMetrics } from '../../src/telemetry/metrics.ts'
import { namesIn, samplesOf } from '../http/samples.ts'

/** Answers are shared for a second, and a count is waited for two. */
const PATIENCE = { timeout: 60_000 }

const STATS: TaskStats = {
  byStatus: { pending: 1, running: 0, completed: 0, failed: 0, cancelled: 0 },
  byType: [{ taskType: 'waits', pending: 1, running: 0, completed: 0, failed: 0, cancelled: 0 }],
  isCapped: false,
  oldestDueSeconds: 12.5,
  finishedPerMinute: [],
}
const OF_THE_TABLE = ['async_tasks_tasks', 'async_tasks_oldest_due_seconds', 'async_tasks_count_age_seconds']
const isUp = async () => undefined
const isAway = async () => 'the database cannot be reached'
const outage = () => Promise.reject(Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }))
const executor = null
const taskTypes = ['registered']
const health = async () => ({ level: 'green' as const, reasons: [] })

type Sources = ConstructorParameters<typeof TaskMetrics>[0]

const create = (given: Pick<Sources, 'stats' | 'findDatabaseProblem'> & Partial<Sources>) =>
  new TaskMetrics({ events: new TaskEvents(), taskTypes, executor, health, ...given })

test('every trouble is counted, from zero on', async () => {
  const events = new TaskEvents()
  const counters = () => create({ events, stats: outage, findDatabaseProblem: isAway }).read().then(samplesOf)
  expect(await counters()).toMatchObject({
    async_tasks_rescued_total: 0,
    'async_tasks_attempts_total{task_type="registered",outcome="failed"}': 0,
    'async_tasks_tasks_failed_total{task_type="registered"}': 0,
    'async_tasks_late_writes_total{what="log"}': 0,
    'async_tasks_loop_failures_total{loop="heartbeat"}': 0,
  })
  const metrics = create({ events, stats: outage, findDatabaseProblem: isAway })
  const lost = { taskId: 'task_1', taskType: 'lost' }
  events.emit('rescued', { tasks: [{ ...lost, attempt: 1, status: 'pending', error: 'x' }] })
  events.emit('rescued', { tasks: [{ ...lost, attempt: 4, status: 'failed', error: 'x' }] })
  const end = { ...lost, attempt: 1, outcome: 'failed' as const, durationMs: 5 }
  events.emit('ended', { ...end, retryInMs: 1_000 })
  events.emit('ended', end)
  events.emit('unknownTypeFailed', { ...lost, attempt: 1, error: 'x' })
  events.emit('late', { ...lost, attempt: 1, what: 'completion' })
  events.emit('logsDropped', { count: 3 })
  events.emit('tickFailed', { schedule: 'nightly', tick: new Date(), error: new Error('no') })
  events.emit('loopFailed', { loop: 'poller', error: new Error('away') })
  events.emit('writeFailed', { what: 'an end', error: new Error('refused') })
  expect(samplesOf(await metrics.read())).toMatchObject({
    async_tasks_rescued_total: 2,
    'async_tasks_attempts_total{task_type="lost",outcome="failed"}': 2,
    'async_tasks_tasks_failed_total{task_type="lost"}': 3,
    'async_tasks_late_writes_total{what="completion"}': 1,
    async_tasks_log_lines_dropped_total: 3,
    async_tasks_failed_ticks_total: 1,
    'async_tasks_loop_failures_total{loop="poller"}': 1,
    async_tasks_failed_writes_total: 1,
  })
})

/** The next answer that is made: in an object, because it may be an error. */
async function otherThan(first: Promise<string>, metrics: TaskMetrics): Promise<{ answer: Promise<string> }> {
  let answer = first
  const isOther = () => {
    answer = metrics.read()
    answer.catch(() => {})
    return answer !== first
  }
  await expect.poll(isOther, PATIENCE).toBe(true)
  return { answer }
}

describe('the state of the table', () => {
  const read = async (sources: Parameters<typeof create>[0]) => samplesOf(await create(sources).read())

  test('is told with its age', async () => {
    expect(await read({ stats: async () => STATS, findDatabaseProblem: isUp })).toMatchObject({
      async_tasks_database_up: 1,
      'async_tasks_tasks{task_type="waits",status="pending"}': 1,
      async_tasks_oldest_due_seconds: 12.5,
      async_tasks_count_age_seconds: expect.any(Number),
      'async_tasks_health{reason="slots_full"}': 0,
    })
  })

  test.each([
    ['fails', outage],
    ['hangs', () => new Promise<never>(() => {})],
  ])('is left out while the database is away and a count %s', async (_name, stats) => {
    const samples = await read({ stats, findDatabaseProblem: isAway })
    expect(samples.async_tasks_database_up).toBe(0)
    expect(samples['async_tasks_health{reason="database_away"}']).toBe(2)
    expect(namesIn(samples)).not.toEqual(expect.arrayContaining([expect.toBeOneOf(OF_THE_TABLE)]))
  })

  test('goes with the database, although it was counted before', async () => {
    let problem: string | undefined
    const findDatabaseProblem = async () => problem
    const metrics = create({ stats: async () => STATS, findDatabaseProblem })
    expect(namesIn(samplesOf(await metrics.read()))).toEqual(expect.arrayContaining(OF_THE_TABLE))
    problem = 'the database cannot be reached'
    const names = async () => namesIn(samplesOf(await metrics.read()))
    await expect.poll(names, PATIENCE).not.toEqual(expect.arrayContaining([expect.toBeOneOf(OF_THE_TABLE)]))
  })

  test('and all the rest is made once for all who ask within a second, and so is an error', async () => {
    let asked = 0
    const stats = () => {
      asked += 1
      return asked === 1 ? Promise.resolve(STATS) : Promise.reject(new Error('no more'))
    }
    const metrics = create({ stats, findDatabaseProblem: isUp })
    const first = metrics.read()
    expect(metrics.read()).toBe(first)
    await first
    const second = await otherThan(first, metrics)
    await expect(second.answer).rejects.toThrow('no more')
    expect([metrics.read() === second.answer, asked]).toEqual([true, 2])
  })

  test('that cannot be read for another reason is an error, the next time too', async () => {
    const stats = () => Promise.reject(Object.assign(new Error('permission denied'), { code: '42501' }))
    const metrics = create({ stats, findDatabaseProblem: isUp })
    const first = metrics.read()
    await expect(first).rejects.toThrow('permission denied')
    const { answer } = await otherThan(first, metrics)
    await expect(answer).rejects.toThrow('permission denied')
  })

  test('is that of the last count while the next one takes longer than a scrape waits', async () => {
    const counts = [Promise.resolve(STATS), new Promise<TaskStats>(() => {})]
    const stats = () => (counts.length > 1 ? counts.shift() : counts[0]) as Promise<TaskStats>
    const metrics = create({ stats, findDatabaseProblem: isUp })
    const age = async () => samplesOf(await metrics.read()).async_tasks_count_age_seconds
    expect(await age()).toBeLessThan(1)
    await expect.poll(age, PATIENCE).toBeGreaterThan(1)
    const samples = samplesOf(await metrics.read())
    expect(samples['async_tasks_tasks{task_type="waits",status="pending"}']).toBe(1)
  })
})

test('what Node tells of its process comes along once it is measured', async () => {
  const sources = { stats: outage, findDatabaseProblem: isAway }
  const before = samplesOf(await create(sources).read())
  expect(namesIn(before).every((name) => name.startsWith('async_tasks_'))).toBe(true)
  measureProcess()
  const samples = samplesOf(await create(sources).read())
  expect(samples.process_resident_memory_bytes).toBeGreaterThan(10_000_000)
  expect(namesIn(samples)).toContain('nodejs_eventloop_lag_p99_seconds')
})
