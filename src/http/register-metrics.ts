import type { FastifyInstance } from 'fastify'
import { TaskError } from '../engine/definition/errors.ts'
import { type MetricsRegistry, registerTaskMetrics } from '../telemetry/task-metrics.ts'
import { describeGiven, findMetricsSources } from './metrics-sources.ts'

export type { MetricsRegistry }

/** Which runner's metrics. */
export interface MetricsOptions {
  /** The plugin's option `decorator`, where an app has two runners. Default `tasks`. */
  decorator?: string
}

const METHODS = ['registerMetric', 'getSingleMetric', 'removeSingleMetric'] as const

/**
 * Adds the metrics of the plugin in `app` to a registry of `prom-client` or `@prometheus-io/client`, such as its default
 * one, `register`. Call it once the plugin is registered, before or after the app is ready: counters start at 0 then.
 * Scrapes within a second share one count of the table; each waits two seconds for it at most. `app.close()` removes the
 * metrics. A registry holds the metrics of one runner: give a second one a registry of its own.
 *
 * @throws TaskError `INVALID_ARGUMENT` if the app lacks the plugin, if `registry` is none, or if it has one of the metrics
 * already; `SHUTTING_DOWN` if the app has closed
 */
export function registerMetrics(
  app: FastifyInstance,
  registry: MetricsRegistry,
  options: MetricsOptions = {},
): void {
  const sources = findMetricsSources(app, options.decorator)
  requireRegistry(registry)
  if (sources.stopped?.aborted) throw new TaskError('SHUTTING_DOWN', 'the app has closed')
  registerTaskMetrics(registry, sources)
}

function requireRegistry(registry: unknown): void {
  const isRegistry =
    typeof registry === 'object' &&
    registry !== null &&
    METHODS.every((name) => typeof Reflect.get(registry, name) === 'function')
  if (isRegistry) return
  throw new TaskError(
    'INVALID_ARGUMENT',
    `registry must be a Registry of prom-client or @prometheus-io/client, got ${describeGiven(registry)}`,
  )
}
