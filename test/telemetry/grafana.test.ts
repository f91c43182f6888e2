import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { parse } from 'yaml'
import { createTaskRegistry } from '../../src/engine/definition/registry.ts'
import { type BundledServer, startBundledServer } from '../http/bundled-server.ts'
import { readMetrics, readQuery } from './prom-ql.ts'

const read = (name: string) => readFileSync(new URL(`../../docs/grafana/${name}`, import.meta.url), 'utf8')

interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[]
}
const dashboard = JSON.parse(read('dashboard.json')) as {
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] }
  readonly panels: readonly Panel[]
}

interface AlertRule {
  readonly alert: string
  readonly expr: string
  readonly labels: { readonly severity: string }
  readonly annotations: { readonly summary: string; readonly description: string }
}
const alerts = parse(read('alerts.yml')) as {
  readonly groups: readonly { readonly rules: readonly AlertRule[] }[]
}
const rules = alerts.groups.flatMap((group) => group.rules)

const panelQueries = dashboard.panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr, legendFormat }) => ({ of: title, expr, shows: legendFormat })),
)
const ruleQueries = rules.map(({ alert, expr, annotations }) => ({
  of: alert,
  expr,
  shows: `${annotations.summary} ${annotations.description}`,
}))

/** Labels that Prometheus adds to what it scrapes. */
const OF_THE_SCRAPE = ['job', 'instance']

let server: BundledServer
let metrics: ReturnType<typeof readMetrics>

beforeAll(async () => {
  const { task } = createTaskRegistry()
  const ok = task('ok')(() => {})
  server = await startBundledServer({ tasks: [ok] })
  const { taskId } = await server.app.tasks.createTask(ok)
  await server.app.tasks.waitFor(taskId)
  const scrape = async () => {
    metrics = readMetrics((await server.app.inject('/metrics')).body)
    expect([...metrics.keys()]).toContain('async_tasks_tasks')
  }
  // A count of the table is shared for a second.
  await vi.waitFor(scrape, { timeout: 60_000, interval: 250 })
})
afterAll(() => server.close())

const queries = [...panelQueries, ...ruleQueries]

test.each(queries)('the query of $of reads what /metrics has: $expr', ({ expr }) => {
  const { selectors, groups } = readQuery(expr)
  expect(selectors).not.toEqual([])
  for (const { metric, matchers } of selectors) {
    const labels = metrics.get(metric)
    expect(labels, `${metric} is no metric`).toBeDefined()
    const known = [...(labels?.keys() ?? []), ...OF_THE_SCRAPE]
    expect(known).toEqual(expect.arrayContaining([...matchers.keys(), ...groups]))
    for (const [label, values] of matchers) {
      expect([...(labels?.get(label) ?? [])]).toEqual(expect.arrayContaining([...values]))
    }
  }
})

test('legends and annotations show labels that the results have', () => {
  for (const { of, expr, shows } of queries) {
    const { selectors, groups } = readQuery(expr)
    const shown = [...shows.matchAll(/\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}/g)].map(([, label]) => label)
    const isGrouped = /\b(sum|max|min|absent|histogram_quantile)\b/.test(expr)
    const left = isGrouped
      ? groups
      : selectors.flatMap(({ metric }) => [...(metrics.get(metric)?.keys() ?? []), ...OF_THE_SCRAPE])
    expect(left, of).toEqual(expect.arrayContaining(shown))
  }
})

describe('the dashboard', () => {
  test('shows each metric of the engine', () => {
    const shown = new Set(
      panelQueries.flatMap(({ expr }) => readQuery(expr).selectors.map(({ metric }) => metric)),
    )
    const all = [...metrics.keys()].filter((name) => name.startsWith('async_tasks_'))
    expect(all.length).toBeGreaterThan(15)
    expect([...shown]).toEqual(expect.arrayContaining(all))
  })

  test('has variables whose metrics and labels exist, and no others in its queries', () => {
    const { list } = dashboard.templating
    for (const { definition } of list.filter(({ name }) => name !== 'datasource')) {
      const [, metric = '', label = ''] =
        /^label_values\((\w+)(?:\{.*\})?, (\w+)\)$/.exec(definition ?? '') ?? []
      expect([...(metrics.get(metric)?.keys() ?? []), ...OF_THE_SCRAPE]).toContain(label)
      expect(metrics.has(metric)).toBe(true)
    }
    const used = panelQueries.flatMap(({ expr }) => [...expr.matchAll(/\$(\w+)/g)].map(([, name]) => name))
    const known = [...list.map(({ name }) => name), '__rate_interval']
    expect(known).toEqual(expect.arrayContaining(used))
  })

  test('has panels of their own id and place', () => {
    const { panels } = dashboard
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length)
    const overlaps = panels.flatMap((one, i) =>
      panels
        .slice(i + 1)
        .filter((other) => overlap(one, other))
        .map((other) => [one.title, other.title]),
    )
    expect(overlaps).toEqual([])
  })
})

test('each alert has a name of its own, a severity, and says what it means', () => {
  expect(new Set(rules.map(({ alert }) => alert)).size).toBe(rules.length)
  for (const { labels, annotations } of rules) {
    expect(labels.severity).toMatch(/^(critical|warning|info)$/)
    expect(annotations.summary).not.toBe('')
    expect(annotations.description).not.toBe('')
  }
})

test('a query of what is no metric would be seen', () => {
  const { selectors, groups } = readQuery(
    'sum by (job, le) (rate(a_total{job=~"$job", x!="y|z"}[5m])) / 2 > 1e3 and b unless on (job) c',
  )
  expect(groups).toEqual(['job', 'le', 'job'])
  expect(selectors.map(({ metric }) => metric)).toEqual(['a_total', 'b', 'c'])
  expect(Object.fromEntries(selectors[0]?.matchers ?? [])).toEqual({ job: [], x: ['y', 'z'] })
})

function overlap({ gridPos: a }: Panel, { gridPos: b }: Panel): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h
}
