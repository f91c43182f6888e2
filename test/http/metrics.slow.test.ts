import { afterEach, describe, expect, test } from 'vitest'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { createGate } from '../support/engine.ts'
import { type BundledServer, startBundledServer } from './bundled-server.ts'
import { samplesOf } from './samples.ts'

/** Answers are shared for a second, and a count is waited for two. */
const PATIENCE = { timeout: 60_000 }

describe('GET /metrics', () => {
  let server: BundledServer
  const gate = createGate()
  afterEach(async () => {
    gate.open()
    await server.close()
  })

  const scrape = async () => {
    const answer = await server.app.inject('/metrics')
    expect([answer.statusCode, answer.headers['content-type'], answer.headers['cache-control']]).toEqual([
      200,
      'text/plain; version=0.0.4; charset=utf-8',
      'no-store',
    ])
    return answer.body
  }

  test('tells without credentials what has happened here and how the table stands, and names no task', async () => {
    const { task } = createTaskRegistry()
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

    // Answers, and counts of the table, are shared for a moment.
    await expect
      .poll(async () => samplesOf(await scrape()), PATIENCE)
      .toMatchObject({
        'async_tasks_attempts_total{task_type="good",outcome="completed"}': 2,
        'async_tasks_attempts_total{task_type="good",outcome="failed"}': 0,
        'async_tasks_attempts_total{task_type="bad",outcome="failed"}': 1,
        'async_tasks_tasks_failed_total{task_type="bad"}': 1,
        'async_tasks_tasks_failed_total{task_type="good"}': 0,
        'async_tasks_attempt_duration_seconds_count{task_type="good"}': 2,
        'async_tasks_attempt_duration_seconds_bucket{le="+Inf",task_type="good"}': 2,
        async_tasks_slots: 3,
        async_tasks_slots_in_use: 1,
        async_tasks_stuck_handlers: 0,
        async_tasks_executor_healthy: 1,
        async_tasks_database_up: 1,
        async_tasks_oldest_due_seconds: 0,
        async_tasks_count_age_seconds: expect.any(Number),
        'async_tasks_tasks{task_type="good",status="completed"}': 2,
        'async_tasks_tasks{task_type="good",status="pending"}': 1,
        'async_tasks_tasks{task_type="slow",status="running"}': 1,
        'async_tasks_tasks{task_type="bad",status="failed"}': 1,
      })
    const text = await scrape()
    for (const secret of [taskId, 'no address on file']) expect(text).not.toContain(secret)
  })

  test('says that the executor stops, and is for GET without parameters', async () => {
    server = await startBundledServer()
    const isHealthy = async () => samplesOf(await scrape()).async_tasks_executor_healthy
    await expect.poll(isHealthy, PATIENCE).toBe(1)
    server.app.taskExecutor?.beginStop()
    await expect.poll(isHealthy, PATIENCE).toBe(0)
    expect((await server.app.inject({ method: 'POST', url: '/metrics' })).statusCode).toBe(405)
    expect((await server.app.inject('/metrics?module=tasks')).statusCode).toBe(400)
  })
})

describe('in production', () => {
  let server: BundledServer
  afterEach(() => server.close())
  const production = { NODE_ENV: 'production', AUTH_SECRET: 'a secret of more than 32 characters' }

  test('there are no metrics without METRICS_TOKEN, and no docs', async () => {
    server = await startBundledServer({ env: production })
    for (const url of ['/metrics', '/docs', '/docs/json', '/docs/yaml', '/docs/static/index.html'])
      expect((await server.app.inject(url)).statusCode).toBe(404)
  })

  test('the metrics are for those who know METRICS_TOKEN', async () => {
    const METRICS_TOKEN = 'a-token-of-16-or-more'
    server = await startBundledServer({ env: { ...production, METRICS_TOKEN } })
    const statusWith = async (authorization?: string) =>
      (await server.app.inject({ url: '/metrics', headers: { ...(authorization && { authorization }) } }))
        .statusCode
    expect(await statusWith(`Bearer ${METRICS_TOKEN}`)).toBe(200)
    expect(await statusWith(`bearer  ${METRICS_TOKEN} `)).toBe(200)
    for (const wrong of [
      undefined,
      METRICS_TOKEN,
      'Bearer',
      'Bearer undefined',
      `Bearer ${METRICS_TOKEN}x`,
      `Bearer ${METRICS_TOKEN.slice(0, -1)}`,
      `Bearer ${METRICS_TOKEN.toUpperCase()}`,
      `Bearer x ${METRICS_TOKEN}`,
      `Basic ${METRICS_TOKEN}`,
    ])
      expect(await statusWith(wrong), wrong).toBe(401)
    expect((await server.app.inject(`/metrics?token=${METRICS_TOKEN}`)).statusCode).toBe(401)
    expect((await server.asAdmin({ url: '/metrics' })).statusCode).toBe(401)
  })
})
