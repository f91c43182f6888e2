import * as official from '@prometheus-io/client'
import * as classic from 'prom-client'
import { describe, expect, test } from 'vitest'
import { Counter, Histogram, Reading } from '../../src/telemetry/metric.ts'

const BOUNDS = [0.005, 0.5, 60]
const OBSERVED = [0, 0.005, 0.006, 0.5, 59.5, 61]
const HOSTILE = 'a "quoted" \\ type\nof two lines'

/** The same events, counted by the client's own metrics. */
function countTheirs(client: typeof classic, registry: classic.Registry): void {
  const registers = [registry]
  const ended = new client.Counter({ name: 'ended_total', help: 'Ends.', labelNames: ['type'], registers })
  ended.inc({ type: HOSTILE }, 3)
  ended.inc({ type: 'known' }, 0)
  const late = new client.Counter({ name: 'late_total', help: 'Late ones.', registers })
  late.inc()
  new client.Gauge({ name: 'slots', help: 'Slots.', registers }).set(2.5)
  const seconds = new client.Histogram({
    ...{ name: 'seconds', help: 'Durations.', labelNames: ['type'], buckets: BOUNDS, registers },
  })
  for (const value of OBSERVED) seconds.observe({ type: HOSTILE }, value)
}

function countOurs(registry: classic.Registry): void {
  // As `registerMetrics` does: whatever has the methods is a registry.
  const { registerMetric }: { registerMetric(metric: object): void } = registry
  const register = registerMetric.bind(registry)
  const ended = new Counter({ name: 'ended_total', help: 'Ends.', known: () => [{ type: 'known' }] })
  register(ended)
  const late = new Counter({ name: 'late_total', help: 'Late ones.' })
  register(late)
  register(new Reading('gauge', { name: 'slots', help: 'Slots.', read: () => [{ labels: {}, value: 2.5 }] }))
  const seconds = new Histogram({ name: 'seconds', help: 'Durations.', bounds: BOUNDS })
  register(seconds)
  ended.inc({ type: HOSTILE })
  ended.inc({ type: HOSTILE }, 2)
  late.inc()
  for (const value of OBSERVED) seconds.observe({ type: HOSTILE }, value)
}

const sorted = (text: string) => text.split('\n').toSorted()

/** Whatever the order of labels, and without what only one of the clients has. */
async function describeAll(registry: classic.Registry): Promise<unknown[]> {
  const metrics = await registry.getMetricsAsJSON()
  return metrics.map(({ name, help, type, aggregator, values }) => ({
    ...{ name, help, type: String(type), aggregator },
    values: values.map((value) => ({ metricName: undefined, ...value, exemplar: undefined })),
  }))
}

// The types of the two clients differ in details that do not matter here.
describe.each([
  ['prom-client', classic],
  ['@prometheus-io/client', official as unknown as typeof classic],
])('a registry of %s shows our metrics as it shows its own,', (_name, client) => {
  const both = (contentType = client.Registry.PROMETHEUS_CONTENT_TYPE as string) => {
    const registries = [new client.Registry(), new client.Registry()] as const
    for (const registry of registries) registry.setContentType(contentType as classic.PrometheusContentType)
    const [theirs, ours] = registries
    countTheirs(client, theirs)
    countOurs(ours)
    return { theirs, ours }
  }

  test.each([
    ["Prometheus'", client.Registry.PROMETHEUS_CONTENT_TYPE],
    ["OpenMetrics'", client.Registry.OPENMETRICS_CONTENT_TYPE],
  ])('in %s format, at each scrape', async (_format, contentType) => {
    const { theirs, ours } = both(contentType)
    for (let scrape = 0; scrape < 2; scrape += 1) {
      expect(sorted(await ours.metrics())).toEqual(sorted(await theirs.metrics()))
    }
  })

  test('with default labels, which leave no trace in our counts', async () => {
    const { theirs, ours } = both()
    const plain = await ours.metrics()
    for (const registry of [theirs, ours]) registry.setDefaultLabels({ instance: 'a', type: 'default' })
    expect(await ours.metrics()).toContain('slots{instance="a",type="default"} 2.5\n')
    expect(await describeAll(ours)).toEqual(await describeAll(theirs))
    ours.setDefaultLabels({})
    expect(await ours.metrics()).toBe(plain)
  })

  test('summed over the workers of a cluster', async () => {
    const { theirs, ours } = both()
    const { aggregate } = client.AggregatorRegistry
    const sum = async (registry: classic.Registry) => {
      const one = await registry.getMetricsAsJSON()
      return sorted(await aggregate([one, structuredClone(one)]).metrics())
    }
    expect(await sum(ours)).toEqual(await sum(theirs))
  })

  test('and resets them', async () => {
    const { ours } = both()
    ours.resetMetrics()
    const samples = sorted(await ours.metrics()).filter((line) => line !== '' && !line.startsWith('#'))
    expect(samples).toEqual(['ended_total{type="known"} 0', 'late_total 0', 'slots 2.5'])
  })
})
