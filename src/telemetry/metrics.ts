import { collectDefaultMetrics, register as processRegistry, Registry } from '@prometheus-io/client'
import type { TableCounts } from './table-counts.ts'
import { type MetricsSources, registerTaskMetrics } from './task-metrics.ts'

/** Scrapes within this time share a response, or an error. */
const FRESH_MS = 1_000

/** Adds Node's metrics (memory, event loop, garbage collection) to every scrape. Call it once per process. */
export function measureProcess(): void {
  collectDefaultMetrics()
}

/** The bundled server's metrics: the engine's and those of the process. */
export class TaskMetrics {
  readonly #registry = new Registry()
  readonly #table: TableCounts
  #latest: Promise<string> | undefined
  #freshUntil = 0

  constructor(sources: MetricsSources) {
    this.#table = registerTaskMetrics(this.#registry, sources)
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** In Prometheus' text format. Omits the table during an outage; rejects with other errors. */
  read(): Promise<string> {
    if (this.#latest && performance.now() < this.#freshUntil) return this.#latest
    this.#freshUntil = Number.POSITIVE_INFINITY
    this.#latest = this.#render().finally(() => {
      this.#freshUntil = performance.now() + FRESH_MS
    })
    return this.#latest
  }

  async #render(): Promise<string> {
    const { failure } = await this.#table.read()
    if (failure !== undefined) throw failure
    const [ofProcess, ofTasks] = await Promise.all([processRegistry.metrics(), this.#registry.metrics()])
    return ofProcess + ofTasks
  }
}
