import { parseArgs } from 'node:util'
import { measureClaims } from './big-table/claims.ts'
import { measureList } from './big-table/list.ts'
import { explainClaim } from './big-table/plan.ts'
import { fillHistory } from './history.ts'
import { RUN_MEASURES } from './measures/run.ts'
import { writeResult } from './report/write.ts'
import { startBenchServer } from './server.ts'
import { median } from './statistics.ts'
import { Subject } from './subject.ts'
import { ours } from './systems/ours.ts'

/** Measures the engine on tables with years of history beside the same on empty ones. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      finished: { type: 'string', default: '10000000' },
      scheduled: { type: 'string', default: '1000000' },
      rounds: { type: 'string', default: '3' },
      output: { type: 'string', default: 'docs/bench' },
    },
  })
  const size = { finished: Number(values.finished), scheduled: Number(values.scheduled) }
  const server = await startBenchServer()
  try {
    const empty = await Subject.create(ours, server, 'empty')
    const big = await Subject.create(ours, server, 'big')
    const from = Date.now()
    await fillHistory(big.pool, size)
    console.log(`${size.finished} finished and ${size.scheduled} scheduled tasks in ${seconds(from)} s`)

    const throughput = await compareThroughput(empty, big, Number(values.rounds))
    console.log(`throughput, tasks/s: ${JSON.stringify(throughput)}`)
    const claims = await measureClaims(empty.url, big.url)
    console.log(`claim of ${claims.limit}, ms: ${JSON.stringify(claims)}`)
    const plan = await explainClaim(big)
    console.log(`${plan.lines.join('\n')}\n${JSON.stringify(plan.summary)}`)
    const list = await measureList(big.url)
    for (const one of list)
      console.log(`list ${one.filter}, ${one.page}: p50 ${one.p50Ms} p99 ${one.p99Ms} ms`)
    if (values.output !== 'none') {
      writeResult(values.output, 'big-table.json', { size, throughput, claims, plan, list }, server)
    }
    await Promise.all([empty.end(), big.end()])
  } finally {
    await server.stop()
  }
}

async function compareThroughput(empty: Subject, big: Subject, rounds: number) {
  const [oneProcess] = RUN_MEASURES
  const rates: { empty: number[]; big: number[] } = { empty: [], big: [] }
  for (let round = 0; round <= rounds; round += 1) {
    for (const [name, subject] of [
      ['empty', empty],
      ['big', big],
    ] as const) {
      const sample = await oneProcess?.take(subject, round === 0 ? 0.1 : 1)
      if (round > 0) rates[name].push(sample?.perSecond ?? Number.NaN)
    }
  }
  const [emptyRate, bigRate] = [median(rates.empty), median(rates.big)].map(Math.round)
  return {
    empty: emptyRate,
    big: bigRate,
    ratio: Number((median(rates.big) / median(rates.empty)).toFixed(3)),
  }
}

const seconds = (from: number) => Math.round((Date.now() - from) / 1_000)

await main()
