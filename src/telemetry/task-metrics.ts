import { TaskError } from '../engine/definition/errors.ts'
import type { TaskExecutor } from '../engine/executor/executor.ts'
import type { ExecutorHealth } from '../engine/executor/health.ts'
import type { TaskEvents } from '../engine/runtime/events.ts'
import { EventCounts } from './event-counts.ts'
import { type Aggregator, type Metric, Reading } from './metric.ts'
import { TableCounts, type TableSources } from './table-counts.ts'

export interface MetricsSources extends TableSources {
  readonly events: TaskEvents
  /** Types that may run here, read at each scrape: their counters start at 0. */
  readonly taskTypes: Iterable<string>
  readonly executor: Pick<TaskExecutor, 'health'> | null
  /** Aborts once nothing can happen any more. Default: never. */
  readonly stopped?: AbortSignal
}

/** What both clients' registries offer. */
export interface MetricsRegistry {
  /** Adds a metric. */
  registerMetric(metric: object): void
  /** The metric of this name, if there is one. */
  getSingleMetric(name: string): object | undefined
  /** Removes the metric of this name. */
  removeSingleMetric(name: string): void
}

/**
 * Puts the engine's metrics into a registry, until `stopped`: events of this process since the call, its executor's health
 * and, the same in every process, counts of the table. Labels are task types, outcomes and loops, never ids.
 *
 * @throws TaskError `INVALID_ARGUMENT` if the registry has a metric of that name; then it has none of these
 */
export function registerTaskMetrics(registry: MetricsRegistry, sources: MetricsSources): TableCounts {
  const events = new EventCounts(sources.taskTypes)
  const table = new TableCounts(sources)
  const metrics = [...events.metrics, ...gaugesOf(sources.executor), ...table.metrics]
  // A registry of OpenMetrics' format changes names of counters, but not under which it keeps them.
  const byName = new Map(metrics.map((metric) => [metric.name, metric]))
  for (const name of byName.keys()) {
    if (registry.getSingleMetric(name) !== undefined) throw nameTaken(name)
  }
  for (const metric of metrics) registry.registerMetric(metric)
  events.listen(sources.events)
  const remove = () => {
    for (const [name, metric] of byName) {
      if (registry.getSingleMetric(name) === metric) registry.removeSingleMetric(name)
    }
  }
  sources.stopped?.addEventListener('abort', remove, { once: true })
  return table
}

function nameTaken(name: string): TaskError {
  return new TaskError(
    'INVALID_ARGUMENT',
    `the registry has a metric ${name} already: registerMetrics was called before with this registry, or the name is ` +
      'taken; call it once per registry, and give every app, and every runner of an app, a registry of its own',
  )
}

function gaugesOf(executor: MetricsSources['executor']): readonly Metric[] {
  if (!executor) return []
  const gauge = (
    name: string,
    help: string,
    read: (health: ExecutorHealth) => number,
    aggregator: Aggregator = 'sum',
  ) =>
    new Reading('gauge', {
      name: `async_tasks_${name}`,
      help,
      aggregator,
      read: () => [{ labels: {}, value: read(executor.health()) }],
    })
  return [
    gauge('slots', 'Handlers that may run at once in this process.', ({ slots }) => slots),
    gauge('slots_in_use', 'Handlers that run now in this process.', ({ running }) => running),
    gauge(
      'stuck_handlers',
      'Handlers that ignore their signal and keep their slot.',
      ({ stuck }) => stuck.length,
    ),
    gauge('executor_healthy', '1 while this process can run tasks, else 0.', ({ ok }) => (ok ? 1 : 0), 'min'),
  ]
}
