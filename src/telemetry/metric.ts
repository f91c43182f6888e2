/**
 * Metrics that registries of `prom-client` and of `@prometheus-io/client` both accept: a registry asks of a metric only
 * what is public here. So the package needs neither client, and the host may have any version of either.
 */
export type Labels = Readonly<Record<string, string | number>>

export interface Sample {
  readonly value: number
  /** Registries add their default labels to what they get: never share an object with them. */
  labels: Labels
  /** If it differs from the metric's, as in a histogram. */
  readonly metricName?: string
}

/** How a cluster's master makes one value of those of its workers. */
export type Aggregator = 'sum' | 'max' | 'min'

export interface MetricOptions {
  readonly name: string
  readonly help: string
  /** Default `sum`. */
  readonly aggregator?: Aggregator
}

export abstract class Metric {
  /** A registry of OpenMetrics' format takes `_total` from a counter's. */
  name: string
  readonly help: string
  readonly aggregator: Aggregator
  abstract readonly type: 'counter' | 'gauge' | 'histogram'

  constructor({ name, help, aggregator = 'sum' }: MetricOptions) {
    this.name = name
    this.help = help
    this.aggregator = aggregator
  }

  async get() {
    const values = await this.read()
    const { name, help, type, aggregator } = this
    return { name, help, type, aggregator, values }
  }

  /** To the state before the first event. */
  abstract reset(): void

  protected abstract read(): Sample[] | Promise<Sample[]>
}

const keyOf = (labels: Labels) => JSON.stringify(Object.values(labels))

export interface CounterOptions extends MetricOptions {
  /** Counted as 0 before their first event: otherwise `increase()` misses it. Default: the one without labels. */
  readonly known?: () => Iterable<Labels>
}

export class Counter extends Metric {
  readonly type = 'counter'
  readonly #counts = new Map<string, { readonly labels: Labels; value: number }>()
  readonly #known: () => Iterable<Labels>

  constructor({ known = () => [{}], ...options }: CounterOptions) {
    super(options)
    this.#known = known
  }

  inc(labels: Labels = {}, by = 1): void {
    const key = keyOf(labels)
    const count = this.#counts.get(key)
    if (count) count.value += by
    else this.#counts.set(key, { labels, value: by })
  }

  reset(): void {
    this.#counts.clear()
  }

  protected read(): Sample[] {
    for (const labels of this.#known()) this.inc(labels, 0)
    return [...this.#counts.values()].map((count) => ({ ...count, labels: { ...count.labels } }))
  }
}

/** A metric whose samples `read` returns at each scrape. */
export class Reading extends Metric {
  readonly type: 'counter' | 'gauge'
  protected readonly read: () => Sample[] | Promise<Sample[]>

  constructor(
    type: 'counter' | 'gauge',
    { read, ...options }: MetricOptions & { readonly read: () => Sample[] | Promise<Sample[]> },
  ) {
    super(options)
    this.type = type
    this.read = read
  }

  /** Nothing is kept. */
  reset(): void {}
}

interface Distribution {
  readonly labels: Labels
  /** Observations above the previous bound, up to this one; the last is above all. */
  readonly counts: number[]
  sum: number
}

export class Histogram extends Metric {
  readonly type = 'histogram'
  readonly #bounds: readonly number[]
  readonly #distributions = new Map<string, Distribution>()

  /** `bounds` ascend. */
  constructor({ bounds, ...options }: MetricOptions & { readonly bounds: readonly number[] }) {
    super(options)
    this.#bounds = bounds
  }

  observe(labels: Labels, value: number): void {
    const key = keyOf(labels)
    let found = this.#distributions.get(key)
    if (!found) {
      found = { labels, counts: new Array<number>(this.#bounds.length + 1).fill(0), sum: 0 }
      this.#distributions.set(key, found)
    }
    const bucket = this.#bounds.findIndex((bound) => value <= bound)
    const place = bucket < 0 ? this.#bounds.length : bucket
    found.counts[place] = (found.counts[place] ?? 0) + 1
    found.sum += value
  }

  reset(): void {
    this.#distributions.clear()
  }

  protected read(): Sample[] {
    return [...this.#distributions.values()].flatMap((distribution) => this.#samplesOf(distribution))
  }

  #samplesOf({ labels, counts, sum }: Distribution): Sample[] {
    let count = 0
    const buckets = counts.map((inBucket, i) => {
      count += inBucket
      const le = this.#bounds[i] ?? '+Inf'
      return { metricName: `${this.name}_bucket`, labels: { le, ...labels }, value: count }
    })
    return [
      ...buckets,
      { metricName: `${this.name}_sum`, labels: { ...labels }, value: sum },
      { metricName: `${this.name}_count`, labels: { ...labels }, value: count },
    ]
  }
}
