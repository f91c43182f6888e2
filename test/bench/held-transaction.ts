import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { type LoadTrace, offerLoad } from './load.ts'
import { installPeers } from './peers.ts'
import { writeResult } from './report/write.ts'
import { startBenchServer } from './server.ts'
import { Subject } from './subject.ts'
import { findSystem } from './systems.ts'

const CONCURRENCY = 100
const SETTLE_MS = 500
/** Long enough for a last minute. */
const UNDISTURBED_SECONDS = 75

interface Comparison {
  readonly system: string
  readonly undisturbed: LoadTrace
  readonly held: LoadTrace
  /** Of the last minute's p99. */
  readonly p99Ratio: number
}

/**
 * A steady load while another connection holds a transaction open: rows that died after its snapshot cannot be
 * vacuumed, and a claim that walks over them slows down. Beside it the same load undisturbed.
 */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '300' },
      undisturbed: { type: 'string', default: String(UNDISTURBED_SECONDS) },
      rate: { type: 'string', default: '1000' },
      systems: {
        type: 'string',
        default: 'fastify-async-tasks,graphile-worker,graphile-worker-plain,pg-boss',
      },
      output: { type: 'string', default: 'docs/bench' },
    },
  })
  const systems = values.systems.split(',').map(findSystem)
  if (systems.length > 1) installPeers()
  const server = await startBenchServer()
  const comparisons: Comparison[] = []
  try {
    for (const system of systems) {
      const subject = await Subject.create(system, server)
      const perSecond = Number(values.rate)
      const undisturbed = await run(subject, { perSecond, seconds: Number(values.undisturbed) })
      const held = await withHeldTransaction(subject, () =>
        run(subject, { perSecond, seconds: Number(values.seconds) }),
      )
      await subject.end()
      const p99Ratio = Number((held.lastMinute.p99Ms / undisturbed.lastMinute.p99Ms).toFixed(2))
      comparisons.push({ system: system.name, undisturbed, held, p99Ratio })
      console.log(describe(comparisons.at(-1) as Comparison))
    }
    if (values.output !== 'none') writeResult(values.output, 'held-transaction.json', { comparisons }, server)
  } finally {
    await server.stop()
  }
}

async function run(subject: Subject, load: { perSecond: number; seconds: number }): Promise<LoadTrace> {
  const [runner, creator] = subject.processes(2)
  if (!runner || !creator) throw new Error('no processes were made')
  await runner.open({ tuning: 'latency', concurrency: CONCURRENCY })
  await creator.open({ tuning: 'latency', concurrency: null })
  await delay(SETTLE_MS)
  const trace = await offerLoad(creator, runner, load)
  await creator.close()
  await runner.close()
  await subject.settle({ discard: true })
  return trace
}

async function withHeldTransaction<T>(subject: Subject, work: () => Promise<T>): Promise<T> {
  const holder = await subject.pool.connect()
  try {
    await holder.query('begin isolation level repeatable read')
    // Only a statement takes the snapshot, and only a written row an id of its own.
    await holder.query('select pg_current_xact_id()')
    return await work()
  } finally {
    await holder.query('rollback')
    holder.release()
  }
}

function describe({ system, undisturbed, held, p99Ratio }: Comparison): string {
  const every = Math.max(1, Math.floor(held.backlog.length / 10))
  const backlog = held.backlog
    .filter((_, i) => i % every === 0)
    .map(({ second, tasks }) => `${second}s:${tasks}`)
  const of = ({ lastMinute, offered, started }: LoadTrace) =>
    `p50 ${lastMinute.p50Ms}, p99 ${lastMinute.p99Ms} ms, ${started} of ${offered} started`
  return [
    system,
    `  undisturbed: ${of(undisturbed)}`,
    `  held:        ${of(held)}; p99 ${p99Ratio} ×`,
    `  backlog:     ${backlog.join(' ')}`,
  ].join('\n')
}

await main()
