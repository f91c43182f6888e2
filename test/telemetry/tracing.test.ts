import { trace } from '@opentelemetry/api'
import { AlwaysOffSampler } from '@opentelemetry/sdk-trace'
import Fastify, { type FastifyInstance } from 'fastify'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import asyncTasks, { type AsyncTasksOptions } from '../../src/plugin.ts'
import { loadTracing } from '../../src/telemetry/tracing.ts'
import { createTestDatabase, type TestDatabase } from '../support/database.ts'
import { createGate } from '../support/engine.ts'
import { captureAllStatements } from '../support/plans.ts'
import { idOf, linksOf, parentOf, recordSpans, shown } from './spans.ts'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
  return () => database.drop()
})

// Of each test: a tracer keeps its first provider.
const host = () => trace.getTracer('the host')

async function start(options: Partial<AsyncTasksOptions>): Promise<FastifyInstance> {
  const app = Fastify()
  onTestFinished(() => app.close())
  const connectionString = database.directUrl
  await app.register(asyncTasks, { connectionString, routes: false, migrate: false, trace: true, ...options })
  await app.ready()
  return app
}

/** In a span of the host's, as in the route of an instrumented app. */
function inRequest<T>(work: () => Promise<T>): Promise<T> {
  return host().startActiveSpan('POST /orders', async (span) => {
    try {
      return await work()
    } finally {
      span.end()
    }
  })
}

const storedContext = async (taskId: string): Promise<string | null> =>
  (await database.pool.query('select trace_context from async_tasks where task_id = $1', [taskId])).rows[0]
    .trace_context

const MESSAGING = { 'messaging.system': 'fastify-async-tasks' }

describe('a traced task', () => {
  test('has a span for its create and one for each attempt, in which the handler runs', async () => {
    const spans = recordSpans()
    const { task } = createTaskRegistry()
    const child = task('child')(() => {})
    const parent = task('parent', { retryBaseMs: 0, maxRetries: 1, redact: ['card'] })(
      async ({ card }, ctx) => {
        await host().startActiveSpan('work', async (span) => {
          await ctx.createTask(child)
          span.end()
        })
        if (ctx.attempt === 1) throw new TypeError(`no such card: ${card}`)
      },
    )
    const app = await start({ tasks: [parent, child] })
    const params = { card: '4111-1111' }
    const { taskId } = await inRequest(() => app.tasks.createTask(parent, params))
    await app.tasks.waitFor(taskId)
    for (const { taskId } of (await app.tasks.listTasks({ taskType: 'child' })).tasks) {
      await app.tasks.waitFor(taskId)
    }

    const create = spans.named('create parent')
    expect(parentOf(create)).toEqual(idOf(spans.named('POST /orders')))
    const message = { 'messaging.destination.name': 'parent', 'messaging.message.id': taskId }
    expect(shown(create)).toEqual({
      name: 'create parent',
      kind: 'PRODUCER',
      attributes: {
        ...MESSAGING,
        ...message,
        'messaging.operation.name': 'create',
        'messaging.operation.type': 'send',
      },
      status: { code: 0 },
      events: [],
    })

    const [first, second] = spans.all().filter(({ name }) => name === 'process parent')
    if (!first || !second) throw new Error('expected two attempts')
    const processed = {
      ...MESSAGING,
      ...message,
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
    }
    expect(shown(first)).toEqual({
      name: 'process parent',
      kind: 'CONSUMER',
      attributes: {
        ...processed,
        'messaging.fastify_async_tasks.attempt': 1,
        'messaging.fastify_async_tasks.outcome': 'failed',
        'error.type': 'TypeError',
      },
      status: { code: 2, message: 'no such card: [redacted]' },
      events: [
        {
          'exception.type': 'TypeError',
          'exception.message': 'no such card: [redacted]',
          'exception.stacktrace': expect.stringContaining('tracing.test.ts'),
        },
      ],
    })
    expect(shown(second)).toMatchObject({
      attributes: {
        ...processed,
        'messaging.fastify_async_tasks.attempt': 2,
        'messaging.fastify_async_tasks.outcome': 'completed',
      },
      status: { code: 0 },
      events: [],
    })
    expect(JSON.stringify(spans.all().map(shown))).not.toContain('4111')

    // The first attempt continues the trace; a retry begins its own.
    expect([parentOf(first), linksOf(first)]).toEqual([idOf(create), [idOf(create)]])
    expect([parentOf(second), linksOf(second)]).toEqual([undefined, [idOf(create)]])
    expect(idOf(second).traceId).not.toBe(idOf(create).traceId)

    const handlers = spans.all().filter(({ name }) => name === 'work')
    expect(handlers.map(parentOf)).toEqual([idOf(first), idOf(second)])
    const creates = spans.all().filter(({ name }) => name === 'create child')
    expect(creates.map(parentOf)).toEqual(handlers.map(idOf))
    const children = spans.all().filter(({ name }) => name === 'process child')
    expect(children.map(parentOf)).toEqual(expect.arrayContaining(creates.map(idOf)))
  })

  test('of a batch shares the span of the create, also with unique keys', async () => {
    const spans = recordSpans()
    const { task } = createTaskRegistry()
    const [one, two] = [task('one')(() => {}), task('two')(() => {})]
    const app = await start({ tasks: [one, two] })
    const created = await app.tasks.createTasks([{ task: one }, { task: two, uniqueKey: 'two' }])
    for (const { taskId } of created) await app.tasks.waitFor(taskId)
    const create = spans.named('create')
    expect(create.attributes).toEqual({
      ...MESSAGING,
      'messaging.operation.name': 'create',
      'messaging.operation.type': 'send',
      'messaging.batch.message_count': 2,
    })
    for (const name of ['process one', 'process two']) {
      expect(linksOf(spans.named(name))).toEqual([idOf(create)])
    }
  })

  test('in a thread has its span here, and what it creates belongs to it', async () => {
    const spans = recordSpans()
    const { task } = createTaskRegistry()
    const child = task('child')(() => {})
    const module = new URL('../engine/executor/thread/modules/enqueuing.ts', import.meta.url)
    const parent = task('in_thread', { run: 'thread', module })()
    const app = await start({ tasks: [parent, child] })
    const { taskId } = await app.tasks.createTask(parent)
    expect(await app.tasks.waitFor(taskId)).toMatchObject({ status: 'completed' })
    expect(parentOf(spans.named('create child'))).toEqual(idOf(spans.named('process in_thread')))
  })

  test('whose handler ignores its signal has a span that ends with its outcome', async () => {
    const spans = recordSpans()
    const { task } = createTaskRegistry()
    const gate = createGate()
    const deaf = task('deaf', { timeoutSeconds: 1, maxRetries: 0 })(() => gate.opened)
    const app = await start({ tasks: [deaf], cancelGraceMs: 10 })
    const { taskId } = await app.tasks.createTask(deaf)
    expect(await app.tasks.waitFor(taskId)).toMatchObject({ status: 'failed' })
    const span = spans.named('process deaf')
    expect(span.attributes).toMatchObject({
      'messaging.fastify_async_tasks.outcome': 'timed_out',
      'error.type': 'TimeoutError',
    })
    expect(span.status).toEqual({ code: 2, message: expect.stringContaining('timed out after 1 s') })
    gate.open()
  })

  test('that is refused has a span with the error', async () => {
    const spans = recordSpans()
    const { task } = createTaskRegistry()
    const once = task('once', { redact: ['card'] })(() => {})
    const app = await start({ tasks: [once], executor: false })
    const params = { card: '4111-1111' }
    const options = { uniqueKey: '4111-1111', onDuplicate: 'reject' } as const
    const { taskId } = await app.tasks.createTask(once, params, options)
    await expect(app.tasks.createTask(once, params, options)).rejects.toThrow(taskId)
    expect(spans.all().map(({ status }) => status)).toEqual([
      { code: 0 },
      { code: 2, message: expect.stringContaining(`${taskId} has the unique key "[redacted]"`) },
    ])
    expect(JSON.stringify(spans.all().map(shown))).not.toContain('4111')
    expect(spans.all()[1]?.attributes).toMatchObject({ 'error.type': 'DUPLICATE_TASK' })
    // The existing task is what the call returned.
    await app.tasks.createTask(once, {}, { uniqueKey: options.uniqueKey })
    expect(spans.all()[2]?.attributes).toMatchObject({ 'messaging.message.id': taskId })
  })

  test('keeps the decision of the sampler', async () => {
    const spans = recordSpans(new AlwaysOffSampler())
    const { task } = createTaskRegistry()
    const quiet = task('quiet')(() => trace.getActiveSpan()?.spanContext().traceFlags)
    const app = await start({ tasks: [quiet] })
    const { taskId } = await app.tasks.createTask(quiet)
    expect(await app.tasks.waitFor(taskId)).toMatchObject({ status: 'completed', result: 0 })
    expect(await storedContext(taskId)).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)
    expect(spans.all()).toEqual([])
  })

  test('runs as ever where the app has set up no tracer', async () => {
    const { task } = createTaskRegistry()
    const plain = task('plain')(() => 'done')
    const app = await start({ tasks: [plain] })
    const { taskId } = await app.tasks.createTask(plain)
    expect(await app.tasks.waitFor(taskId)).toMatchObject({ status: 'completed', result: 'done' })
    expect(await storedContext(taskId)).toBeNull()
  })
})

test('without the option nothing is traced, and no statement names the trace', async () => {
  const spans = recordSpans()
  const { task } = createTaskRegistry()
  const plain = task('plain')(() => trace.getActiveSpan() === undefined)
  const app = await start({ tasks: [plain], trace: false })
  const statements = await captureAllStatements(async () => {
    const created = await inRequest(() =>
      app.tasks.createTasks([{ task: plain }, { task: plain, uniqueKey: 'plain' }]),
    )
    for (const { taskId } of created) {
      expect(await app.tasks.waitFor(taskId)).toMatchObject({ status: 'completed', result: true })
      expect(await storedContext(taskId)).toBeNull()
    }
  })
  const sent = statements.map(({ text }) => text).filter((text) => !text.startsWith('select trace_context'))
  expect(sent.filter((text) => text.includes('insert into')).length).toBeGreaterThan(0)
  expect(sent.filter((text) => text.includes('trace'))).toEqual([])
  expect(spans.all().map(({ name }) => name)).toEqual(['POST /orders'])
})

test('without the package the start is refused, and names it', async () => {
  const missing = '@opentelemetry/no-such-package'
  await expect(loadTracing('1.0.0', () => import(missing))).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringMatching(/trace needs the package @opentelemetry\/api.* install it/),
  })
})
