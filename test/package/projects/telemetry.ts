import assert from 'node:assert/strict'
import { subscribe } from 'node:diagnostics_channel'
import { setTimeout as pause } from 'node:timers/promises'
import { context, type SpanContext, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import Fastify from 'fastify'
import asyncTasks, { createTaskRegistry, type DiagnosticsMessages } from 'fastify-async-tasks'
import { registerMetrics } from 'fastify-async-tasks/metrics'
import { Registry } from 'prom-client'
import { connectionString, show } from './host.ts'

const exporter = new InMemorySpanExporter()
trace.setGlobalTracerProvider(new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }))
context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
const tracer = trace.getTracer('shop')

const ended: DiagnosticsMessages['fastify-async-tasks:attempt:end'][] = []
subscribe('fastify-async-tasks:attempt:end', (message) => {
  ended.push(message as DiagnosticsMessages['fastify-async-tasks:attempt:end'])
})

const { task } = createTaskRegistry()
const charge = task('charge', { retryBaseMs: 0 })(async (_params, ctx) => {
  if (ctx.attempt === 1) throw new Error('the bank is closed')
  tracer.startSpan('bank').end()
})

const app = Fastify()
const registry = new Registry()
await app.register(asyncTasks, { connectionString, tasks: [charge], routes: false, trace: true })
registerMetrics(app, registry)
app.get('/metrics', async (_request, reply) => {
  return reply.type(registry.contentType).send(await registry.metrics())
})
await app.ready()

const order = tracer.startSpan('POST /orders')
const inOrder = trace.setSpan(context.active(), order)
const { taskId } = await context.with(inOrder, () => app.tasks.createTask(charge))
order.end()
await app.tasks.waitFor(taskId)

// Of the table, the counts may be a second old.
const counted = /async_tasks_tasks\{task_type="charge",status="completed"\} 1/
let metrics = ''
while (!counted.test(metrics)) {
  await pause(100)
  metrics = (await app.inject('/metrics')).body
}
assert.match(metrics, /async_tasks_attempts_total\{task_type="charge",outcome="completed"\} 1/)
assert.match(metrics, /async_tasks_attempts_total\{task_type="charge",outcome="failed"\} 1/)
show("registerMetrics adds the metrics to the host's registry of prom-client")

const outcomes = ended.map(({ attempt, outcome, error }) => [attempt, outcome, error])
assert.deepEqual(outcomes, [
  [1, 'failed', 'the bank is closed'],
  [2, 'completed', undefined],
])
assert(ended.every((message) => message.taskId === taskId && message.durationMs >= 0))
show('diagnostics_channel tells of each attempt, with typed messages')

await app.close()
const spans = exporter.getFinishedSpans()
const spanOf = (name: string) => spans.find((span) => span.name === name) ?? assert.fail(`no span ${name}`)
const idOf = ({ traceId, spanId }: SpanContext) => `${traceId} ${spanId}`
const attempts = spans.filter(({ name }) => name === 'process charge')
assert.equal(attempts.length, 2)
const [first, retry] = attempts
assert(first && retry)
const isChild = (child: typeof first, parent: typeof first) =>
  child.parentSpanContext !== undefined && idOf(child.parentSpanContext) === idOf(parent.spanContext())
const sent = spanOf('create charge')
assert(isChild(sent, spanOf('POST /orders')))
assert(isChild(first, sent))
assert(isChild(spanOf('bank'), retry))
assert(retry.links.some((link) => idOf(link.context) === idOf(sent.spanContext())))
show("trace continues the request's trace in the attempt, whose handler runs in its span")
