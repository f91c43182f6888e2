import type { FastifyInstance } from 'fastify'
import { TaskError } from '../engine/definition/errors.ts'
import { METRICS_SOURCES } from '../plugin.ts'
import type { MetricsSources } from '../telemetry/task-metrics.ts'

/** @throws TaskError `INVALID_ARGUMENT` if the app lacks the plugin */
export function findMetricsSources(app: FastifyInstance): MetricsSources {
  if (typeof app?.hasDecorator !== 'function') {
    throw new TaskError('INVALID_ARGUMENT', `app must be a Fastify app, got ${describeGiven(app)}`)
  }
  if (app.hasDecorator(METRICS_SOURCES)) return app.getDecorator<MetricsSources>(METRICS_SOURCES)
  throw new TaskError(
    'INVALID_ARGUMENT',
    'app has no plugin fastify-async-tasks: await its registration first, and pass the app or the scope in which ' +
      'it is registered',
  )
}

/** Never quotes a value: it may hold anything. */
export function describeGiven(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value !== 'object') return typeof value
  return `an object with ${Object.keys(value).slice(0, 5).join(', ') || 'no keys'}`
}
