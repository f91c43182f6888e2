import type { FastifyInstance } from 'fastify'
import { TaskError } from '../engine/definition/errors.ts'
import { sourcesOfManager } from '../plugin.ts'
import type { MetricsSources } from '../telemetry/task-metrics.ts'

/** @throws TaskError `INVALID_ARGUMENT` if the app lacks the plugin */
export function findMetricsSources(app: FastifyInstance, decorator = 'tasks'): MetricsSources {
  if (typeof app?.hasDecorator !== 'function') {
    throw new TaskError('INVALID_ARGUMENT', `app must be a Fastify app, got ${describeGiven(app)}`)
  }
  const sources = app.hasDecorator(decorator) ? sourcesOfManager(app.getDecorator(decorator)) : undefined
  if (sources) return sources
  if (decorator !== 'tasks') {
    throw new TaskError(
      'INVALID_ARGUMENT',
      `app.${decorator} is no task manager: name the plugin's decorator`,
    )
  }
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
