import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import type { MeasuringProcess } from './process/fork.ts'
import { forkProcess } from './process/fork.ts'
import { writeResult } from './report/write.ts'
import { type BenchServer, type Pool, startBenchServer } from './server.ts'
import { median } from './statistics.ts'
import { ours } from './systems/ours.ts'

/** What every process does once at its start is over by then. */
const SETTLE_MS = 5_000
const HEAP_EVERY_SECONDS = 10
const CONCURRENCY = 100

/**
 * What the engine asks of PostgreSQL at rest, counted by pg_stat_statements, and whether its heap stays flat under
 * load.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      load: { type: 'string', default: '600' },
      rate: { type: 'string', default: '1000' },
      output: { type: 'string', default: 'docs/bench' },
    },
  })
  const server = await startBenchServer({ preload: 'pg_stat_statements' })
  try {
    const { url, pool } = await server.createDatabase('idle')
    await pool.query('create extension pg_stat_statements')
    await ours.prepare(url)
    const process = forkProcess(ours, url, ['--expose-gc'])
    const rest = await countAtRest(server, pool, process, Number(values.seconds))
    console.log(`at rest: ${rest.perSecond} statements a second a process`)
    for (const { perSecond, query } of rest.statements) console.log(`  ${perSecond}/s  ${query}`)
    const heap = await watchHeap(process, { perSecond: Number(values.rate), seconds: Number(values.load) })
    console.log(`heap after ${HEAP_EVERY_SECONDS} s, …, MB: ${heap.megabytes.join(' ')}`)
    console.log(`median of the last third against that of the second: ${heap.growth} ×`)
    await process.end()
    if (values.output !== 'none') writeResult(values.output, 'idle.json', { rest, heap }, server)
  } finally {
    await server.stop()
  }
}

async function countAtRest(server: BenchServer, pool: Pool, process: MeasuringProcess, seconds: number) {
  const { rows: found } = await pool.query<{ oid: number }>(
    'select oid from pg_database where datname = current_database()',
  )
  const database = found[0]?.oid
  await process.open({ tuning: 'throughput', concurrency: 10 })
  await delay(SETTLE_MS)
  await server.admin.query('create extension if not exists pg_stat_statements')
  await server.admin.query('select pg_stat_statements_reset()')
  await delay(seconds * 1_000)
  const { rows } = await server.admin.query<{ calls: number; query: string }>(
    `select calls::int as calls, regexp_replace(left(query, 100), '\\s+', ' ', 'g') as query
       from pg_stat_statements
      where dbid = $1 and toplevel
      order by calls desc`,
    [database],
  )
  await process.close()
  const rate = (calls: number) => Number((calls / seconds).toFixed(2))
  return {
    seconds,
    perSecond: rate(rows.reduce((sum, { calls }) => sum + calls, 0)),
    statements: rows.map(({ calls, query }) => ({ perSecond: rate(calls), query })),
  }
}

/** Creates and runs tasks in one process; garbage is collected before each look. */
async function watchHeap(process: MeasuringProcess, load: { perSecond: number; seconds: number }) {
  await process.open({ tuning: 'throughput', concurrency: CONCURRENCY })
  const megabytes: number[] = []
  for (let second = 0; second < load.seconds; second += HEAP_EVERY_SECONDS) {
    await process.offer({ perSecond: load.perSecond, seconds: HEAP_EVERY_SECONDS })
    await process.takeStarts()
    megabytes.push(Number(((await process.readHeap()) / 2 ** 20 || 0).toFixed(1)))
  }
  await process.close()
  const third = Math.max(1, Math.floor(megabytes.length / 3))
  const growth = median(megabytes.slice(-third)) / median(megabytes.slice(third, 2 * third))
  return { ...load, everySeconds: HEAP_EVERY_SECONDS, megabytes, growth: Number(growth.toFixed(3)) }
}

await main()
