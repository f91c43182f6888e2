import { readFileSync } from 'node:fs'
import * as official from '@prometheus-io/client'
import Fastify, { type FastifyInstance } from 'fastify'
import * as classic from 'prom-client'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { type MetricsRegistry, registerMetrics } from '../../src/http/register-metrics.ts'
import asyncTasks, { type AsyncTasksOptions } from '../../src/plugin.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { createGate } from '../support/engine.ts'
import { startFaultProxy } from '../support/fault-proxy.ts'
import { captureAllStatements } from '../support/plans.ts'

/** A count is shared for a second, and waited for two. */
const PATIENCE = { timeout: 60_000 }

type Scraped = MetricsRegistry & Pick<classic.Registry, 'metrics'>

/** A registry of each client, as their users have it. */
const CLIENTS: [name: string, make: () => Scraped][] = [
  ['prom-client', () => new classic.Registry()],
  ['@prometheus-io/client', () => new official.Registry()],
]

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
  return () => database.drop()
})

const { task } = createTaskRegistry()
const good = task('good')(() => 'done')
const bad = task('bad', { maxRetries: 0 })(() => {
  throw new Error('no address on file')
})

/** An app with the plugin; not yet ready. */
async function embed(options: Partial<AsyncTasksOptions> = {}): Promise<FastifyInstance> {
  const app = Fastify()
  onTestFinished(() => app.close())
  const connectionString = database.url
  const base = { connectionString, tasks: [good, bad], routes: false, migrate: false } as const
  await app.register(asyncTasks, { ...base, ...options })
  return app
}

const readSamples = async (registry: Scraped): Promise<Record<string, number>> => {
  const lines = (await registry.metrics()).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return Object.fromEntries(
    lines.map((line) => [
      line.slice(0, line.lastIndexOf(' ')),
      Number(line.slice(line.lastIndexOf(' ') + 1)),
    ]),
  )
}

/** The task's type is its own: tests share the table. */
function makeSlow(type: string) {
  const [gate, started] = [createGate(), createGate()]
  const slow = task(type)(() => {
    started.open()
    return gate.opened
  })
  return { slow, started: started.opened, finish: gate.open }
}

const OF_THE_TABLE = ['async_tasks_tasks', 'async_tasks_oldest_due_seconds', 'async_tasks_count_age_seconds']
const namesIn = (samples: Record<string, number>) =>
  new Set(Object.keys(samples).map((sample) => sample.replace(/\{.*/, '')))

describe.each(CLIENTS)("a host's registry of %s", (name, makeRegistry) => {
  test('gets what happens in the app from the call on, and how the table stands, but names no task', async () => {
    const registry = makeRegistry()
    const type = `slow.${name.replaceAll(/\W/g, '-')}`
    const { slow, started, finish } = makeSlow(type)
    const app = await embed({ tasks: [good, bad, slow] })
    // Before the app closes, which waits for it: the last one registered is called first.
    onTestFinished(finish)
    registerMetrics(app, registry)
    // The first count is before the tasks: it must not be the one that is expected below.
    expect(await readSamples(registry)).toMatchObject({
      'async_tasks_attempts_total{task_type="good",outcome="completed"}': 0,
      async_tasks_executor_healthy: 0,
      async_tasks_database_up: 1,
    })
    await app.ready()
    const ended = await app.tasks.createTasks([{ task: good }, { task: good }, { task: bad }])
    for (const { taskId } of ended) await app.tasks.waitFor(taskId)
    const { taskId } = await app.tasks.createTask(slow)
    await started
    await expect
      .poll(() => readSamples(registry), PATIENCE)
      .toMatchObject({
        'async_tasks_attempts_total{task_type="good",outcome="completed"}': 2,
        'async_tasks_attempts_total{task_type="good",outcome="failed"}': 0,
        'async_tasks_attempts_total{task_type="bad",outcome="failed"}': 1,
        'async_tasks_attempt_duration_seconds_count{task_type="good"}': 2,
        'async_tasks_attempt_duration_seconds_bucket{le="+Inf",task_type="good"}': 2,
        'async_tasks_loop_failures_total{loop="heartbeat"}': 0,
        async_tasks_slots_in_use: 1,
        async_tasks_executor_healthy: 1,
        async_tasks_count_age_seconds: expect.any(Number),
        [`async_tasks_tasks{task_type="${type}",status="running"}`]: 1,
      })
    const text = await registry.metrics()
    for (const secret of [taskId, 'no address on file']) expect(text).not.toContain(secret)
  })

  test('refuses them twice, and then has not a part of them', async () => {
    const registry = makeRegistry()
    const [first, second] = [await embed(), await embed()]
    registerMetrics(first, registry)
    const before = namesIn(await readSamples(registry))
    for (const app of [first, second]) {
      expect(() => registerMetrics(app, registry)).toThrow(
        expect.objectContaining({
          code: 'INVALID_ARGUMENT',
          message: expect.stringContaining('the registry has a metric async_tasks_attempts_total already'),
        }),
      )
    }
    expect(namesIn(await readSamples(registry))).toEqual(before)

    const taken = makeRegistry()
    taken.registerMetric({ name: 'async_tasks_database_up', get: async () => ({}) })
    expect(() => registerMetrics(first, taken)).toThrow('a metric async_tasks_database_up already')
    expect(taken.getSingleMetric('async_tasks_attempts_total')).toBeUndefined()
  })

  test('loses them, and nothing else, when the app closes, and takes those of the next app', async () => {
    const registry = makeRegistry()
    const own = { name: 'own', help: 'x', type: 'gauge', get: async () => ({ ...own, values: [] }) }
    registry.registerMetric(own)
    const app = await embed()
    await app.ready()
    registerMetrics(app, registry)
    expect(namesIn(await readSamples(registry))).toContain('async_tasks_slots')
    await app.close()
    expect(await readSamples(registry)).toEqual({})
    expect(registry.getSingleMetric('own')).toBe(own)
    expect(() => registerMetrics(app, registry)).toThrow(expect.objectContaining({ code: 'SHUTTING_DOWN' }))

    registerMetrics(await embed(), registry)
    expect(namesIn(await readSamples(registry))).toContain('async_tasks_slots')
  })
})

const [[, makeRegistry]] = CLIENTS as [(typeof CLIENTS)[number]]

test('an executor that has stopped counts as not healthy, and the table is still counted', async () => {
  const registry = makeRegistry()
  const app = await embed()
  registerMetrics(app, registry)
  await app.ready()
  await app.taskExecutor?.stop()
  expect(await readSamples(registry)).toMatchObject({
    async_tasks_executor_healthy: 0,
    async_tasks_slots_in_use: 0,
    async_tasks_database_up: 1,
    async_tasks_count_age_seconds: expect.any(Number),
  })
})

test('an app that only creates tasks has no executor to measure and no attempts to expect', async () => {
  const registry = makeRegistry()
  registerMetrics(await embed({ executor: false }), registry)
  const names = namesIn(await readSamples(registry))
  expect(names).toContain('async_tasks_count_age_seconds')
  for (const name of ['async_tasks_slots', 'async_tasks_executor_healthy', 'async_tasks_attempts_total']) {
    expect(names).not.toContain(name)
  }
})

test('types that are added before the start count from 0, too', async () => {
  const registry = makeRegistry()
  const types = createTaskRegistry()
  const app = Fastify()
  onTestFinished(() => app.close())
  await app.register(asyncTasks, {
    ...{ connectionString: database.url, registry: types, routes: false, migrate: false },
  })
  registerMetrics(app, registry)
  types.task('added')(() => 'done')
  await app.ready()
  expect(await readSamples(registry)).toMatchObject({
    'async_tasks_attempts_total{task_type="added",outcome="completed"}': 0,
  })
})

test('a scrape during an outage leaves the table out, and counts it again afterwards', async () => {
  const registry = makeRegistry()
  const proxy = await startFaultProxy(database.directUrl)
  onTestFinished(() => proxy.close())
  const app = await embed({ connectionString: proxy.url, executor: false })
  registerMetrics(app, registry)
  await app.ready()
  expect([...namesIn(await readSamples(registry))]).toEqual(expect.arrayContaining(OF_THE_TABLE.slice(1)))
  proxy.set('reset')
  const isUp = async () => (await readSamples(registry)).async_tasks_database_up
  await expect.poll(isUp, PATIENCE).toBe(0)
  expect([...namesIn(await readSamples(registry))]).not.toEqual(
    expect.arrayContaining([expect.toBeOneOf(OF_THE_TABLE)]),
  )
  // A count from before the outage may be shared for a moment.
  const failed = async () => (await readSamples(registry)).async_tasks_failed_counts_total
  await expect.poll(failed, PATIENCE).toBeGreaterThan(0)
  proxy.set('none')
  await expect.poll(isUp, PATIENCE).toBe(1)
  const names = async () => [...namesIn(await readSamples(registry))]
  await expect.poll(names, PATIENCE).toEqual(expect.arrayContaining(OF_THE_TABLE.slice(1)))
})

test('an error of the count leaves out the table, not what else the host measures', async () => {
  const registry = makeRegistry()
  const own = await createTestDatabase()
  onTestFinished(() => own.drop())
  const app = await embed({ connectionString: own.url, executor: false })
  registerMetrics(app, registry)
  await own.pool.query('drop table async_tasks cascade')
  const samples = await readSamples(registry)
  expect(samples).toMatchObject({ async_tasks_database_up: 1, async_tasks_failed_counts_total: 1 })
  expect([...namesIn(samples)]).not.toEqual(expect.arrayContaining([expect.toBeOneOf(OF_THE_TABLE)]))
})

test('all metrics of scrapes at the same time share one look at the database', async () => {
  const registry = makeRegistry()
  const app = await embed({ executor: false })
  registerMetrics(app, registry)
  await app.ready()
  const sent = await captureAllStatements(() => Promise.all([registry.metrics(), registry.metrics()]))
  expect(sent.filter(({ text }) => text === 'select 1')).toHaveLength(1)
})

test.each<[string, (app: FastifyInstance) => [unknown, unknown], string]>([
  ['an app without the plugin', () => [Fastify(), makeRegistry()], 'app has no plugin fastify-async-tasks'],
  ['no app', () => [undefined, makeRegistry()], 'app must be a Fastify app, got undefined'],
  [
    'no registry',
    (app) => [app, undefined],
    'registry must be a Registry of prom-client or @prometheus-io/client',
  ],
  ["a client's module", (app) => [app, { Registry: class {} }], 'got an object with Registry'],
])('%s gets an error that says what is missing', async (_name, argumentsFor, message) => {
  const app = await embed({ executor: false })
  const given = argumentsFor(app) as Parameters<typeof registerMetrics>
  expect(() => registerMetrics(...given)).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(message) }),
  )
})

test('the guide lists every metric, and no other', async () => {
  const registry = makeRegistry()
  registerMetrics(await embed(), registry)
  const metrics = (await registry.metrics()).matchAll(/^# TYPE (\S+)/gm)
  const guide = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8')
  const listed = guide.matchAll(/`(async_tasks_[a-z_]+)(?:\{[a-z_,]+\})?`/g)
  expect(new Set(Array.from(listed, ([, name]) => name))).toEqual(
    new Set(Array.from(metrics, ([, name]) => name)),
  )
})
