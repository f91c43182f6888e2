import { afterEach, describe, expect, test } from 'vitest'
import { TaskEvents } from '../../src/tasks/events.ts'
import { createTaskRegistry } from '../../src/tasks/registry.ts'
import { measureProcess, TaskMetrics } from '../../src/telemetry/metrics.ts'
import { createGate } from '../support/engine.ts'
import { type BundledServer, startBundledServer } from './bundled-server.ts'

const SAMPLE =
  /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)+\})? (-?[0-9.]+(?:e[-+]?[0-9]+)?|[Nn]a[Nn]|[-+]Inf)$/

/** The samples of a scrape by name and labels. Every line of the format is understood, and no metric comes twice. */
function samplesOf(text: string): Map<string, number> {
  expect(text.endsWith('\n')).toBe(true)
  const lines = text.split('\n').filter((line) => line !== '')
  const types = lines.filter((line) => line.startsWith('# TYPE ')).map((line) => line.split(' ')[2])
  expect(new Set(types).size).toBe(types.length)
  const samples = lines.filter((line) => !line.startsWith('# HELP ') && !line.startsWith('# TYPE '))
  return new Map(
    samples.map((line) => {
      const [, name = `not a sample: ${line}`, labels = '', value] = SAMPLE.exec(line) ?? []
      expect(types, line).toContain(types.includes(name) ? name : name.replace(/_(bucket|sum|count)$/, ''))
      return [name + labels, Number(value)]
    }),
  )
}

describe('GET /metrics', () => {
  let server: BundledServer
  afterEach(() => server.close())

  const scrape = async () => {
    const answer = await server.app.inject('/metrics')
    expect([answer.statusCode, answer.headers['content-type'], answer.headers['cache-control']]).toEqual([
      200,
      'text/plain; version=0.0.4; charset=utf-8',
      'no-store',
    ])
    return samplesOf(answer.body)
  }

  test('tells without credentials what has happened here and how the table stands, and names no task', async () => {
    const { task } = createTaskRegistry()
    const gate = createGate()
    const started = createGate()
    const good = task('good')(() => 'done')
    const bad = task('bad', { maxRetries: 0 })(() => {
      throw new Error('no address on file')
    })
    const slow = task('slow')(() => {
      started.open()
      return gate.opened
    })
    server = await startBundledServer({ tasks: [good, bad, slow], env: { TASK_CONCURRENCY: '3' } })
    const { tasks } = server.app
    const ended = await tasks.createTasks([{ task: good }, { task: good }, { task: bad }])
    for (const { taskId } of ended) await tasks.waitFor(taskId)
    const { taskId } = await tasks.createTask(slow)
    await started.opened
    await tasks.createTask(good, {}, { delayMs: 3_600_000 })
    // Counts are shared for a moment.
    const waiting = 'async_tasks_tasks{task_type="good",status="pending"}'
    await expect.poll(async () => (await scrape()).get(waiting)).toBe(1)

    const answer = await server.app.inject('/metrics')
    const samples = samplesOf(answer.body)
    const expected = {
      'async_tasks_attempts_total{task_type="good",outcome="completed"}': 2,
      'async_tasks_attempts_total{task_type="bad",outcome="failed"}': 1,
      'async_tasks_attempt_duration_seconds_count{task_type="good"}': 2,
      'async_tasks_attempt_duration_seconds_bucket{le="+Inf",task_type="good"}': 2,
      async_tasks_slots: 3,
      async_tasks_slots_in_use: 1,
      async_tasks_stuck_handlers: 0,
      async_tasks_executor_healthy: 1,
      async_tasks_database_up: 1,
      async_tasks_oldest_due_seconds: 0,
      async_tasks_rescued_total: 0,
      'async_tasks_tasks{task_type="good",status="completed"}': 2,
      'async_tasks_tasks{task_type="slow",status="running"}': 1,
      'async_tasks_tasks{task_type="bad",status="failed"}': 1,
    }
    expect(Object.fromEntries(samples)).toMatchObject(expected)
    for (const told of [taskId, 'no address on file']) expect(answer.body).not.toContain(told)
    gate.open()
  })

  test('is still answered by a server that stops, which says that it does', async () => {
    server = await startBundledServer()
    await expect.poll(async () => (await scrape()).get('async_tasks_executor_healthy')).toBe(1)
    server.app.taskExecutor?.beginStop()
    expect((await scrape()).get('async_tasks_executor_healthy')).toBe(0)
    expect((await server.app.inject({ method: 'POST', url: '/metrics' })).statusCode).toBe(405)
    expect((await server.app.inject('/metrics?module=tasks')).statusCode).toBe(400)
  })
})

describe('with the database away', () => {
  test.each([
    ['fails', () => Promise.reject(new Error('away'))],
    ['hangs', () => new Promise<never>(() => {})],
  ])('a question that %s leaves out the table, and nothing else', async (_name, stats) => {
    const events = new TaskEvents()
    const metrics = new TaskMetrics({ events, executor: null, stats })
    events.emit('rescued', { tasks: [{ taskId: 'task_1', taskType: 'lost', attempt: 1, status: 'pending' }] })
    events.emit('loopFailed', { loop: 'poller', error: new Error('away') })
    const samples = samplesOf(await metrics.read())
    expect(Object.fromEntries(samples)).toMatchObject({
      async_tasks_database_up: 0,
      async_tasks_rescued_total: 1,
      'async_tasks_loop_failures_total{loop="poller"}': 1,
    })
    const names = [...samples.keys()].map((name) => name.replace(/\{.*/, ''))
    expect(names).not.toContain('async_tasks_tasks')
    expect(names).not.toContain('async_tasks_oldest_due_seconds')
  })
})

test('what Node tells of its process comes along once it is measured', async () => {
  const metrics = new TaskMetrics({
    events: new TaskEvents(),
    executor: null,
    stats: () => Promise.reject(new Error('away')),
  })
  measureProcess()
  const samples = samplesOf(await metrics.read())
  expect(samples.get('process_resident_memory_bytes')).toBeGreaterThan(10_000_000)
  expect([...samples.keys()]).toContain('nodejs_eventloop_lag_p99_seconds')
})
