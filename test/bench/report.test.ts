import { expect, test } from 'vitest'
import { toTrace } from './load.ts'
import { MEASURES } from './measures.ts'
import { renderPlot } from './report/plot.ts'
import { summarise } from './report/summary.ts'
import { renderTable } from './report/table.ts'
import { median, percentile } from './statistics.ts'
import { ours } from './systems/ours.ts'
import { pgBossWork } from './systems/pg-boss.ts'

const systems = [ours, pgBossWork]
const measures = MEASURES.filter(({ name }) => ['bulk', 'pick-up-elsewhere'].includes(name))
const samples = [
  ...[30_000, 10_000, 21_234].map((perSecond, i) => ({
    measure: 'bulk',
    system: ours.name,
    round: i + 1,
    perSecond,
  })),
  { measure: 'bulk', system: pgBossWork.name, round: 1, perSecond: 20_000 },
  { measure: 'pick-up-elsewhere', system: ours.name, round: 1, p50Ms: 1.234, p99Ms: 12.6 },
]
const summary = summarise(samples, { systems, measures, rounds: 3 })

test('a table shows medians to three digits, and a dash where nothing was measured', () => {
  expect(renderTable(summary).split('\n')).toEqual([
    '|                            | fastify-async-tasks |  pg-boss |',
    '| -------------------------- | ------------------: | -------: |',
    '| bulk, batches of 1,000     |            21,200/s | 20,000/s |',
    '| pick-up in another process |         1.2 / 13 ms |        – |',
  ])
})

test('a summary keeps the slowest and the fastest round', () => {
  expect(summary.measures[0]?.figures[0]).toMatchObject({ perSecond: 21_234, range: [10_000, 30_000] })
})

test('a picture has a bar for each figure, and needs nothing from elsewhere', () => {
  const picture = renderPlot(summary)
  expect(picture.match(/<rect /g)).toHaveLength(3)
  expect(picture).toContain('prefers-color-scheme: dark')
  expect(picture.replace('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|url\(|@import|@font-face/)
})

test('percentiles lie between the nearest values', () => {
  expect(median([3, 1, 2])).toBe(2)
  expect(percentile([0, 10], 0.5)).toBe(5)
  expect(percentile([7], 0.99)).toBe(7)
})

test('a load that is not kept up with shows as a backlog and as a wait', () => {
  const calledAt = [0, 500, 1_500, 2_500]
  const startedAt = new Map([
    [0, 10],
    [1, 2_100],
  ])
  const trace = toTrace(calledAt, startedAt)
  expect(trace.backlog.map(({ tasks }) => tasks)).toEqual([1, 1, 2, 2])
  expect(trace).toMatchObject({ offered: 4, started: 2 })
  expect(trace.lastMinute.p99Ms).toBeGreaterThan(10_000)
})
