import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { now } from './process/commands.ts'
import { forkProcess, type MeasuringProcess } from './process/fork.ts'
import { writeResult } from './report/write.ts'
import { type BenchServer, type Pool, startBenchServer } from './server.ts'
import { median } from './statistics.ts'
import { severalServers } from './systems/ours.ts'

/**
 * Tasks created and processed by one app over one, two and four PostgreSQL servers. They are started here, or named in
 * BENCH_DATABASE_URLS, separated by spaces: only servers on machines of their own show what several of them carry.
 *
 * node test/bench/several-servers.ts --servers 1,2,4 --processes 1 --rounds 5
 */

const BATCH = 1_000
const CALLERS = 50
const DEADLINE_MS = 120_000

interface Sample {
  readonly servers: number
  readonly createdPerSecond: number
  readonly processedPerSecond: number
}

interface Load {
  readonly createMs: number
  readonly tasks: number
}

const { values } = parseArgs({
  options: {
    servers: { type: 'string', default: '1,2,4' },
    processes: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '5' },
    ms: { type: 'string', default: '2000' },
    tasks: { type: 'string', default: '30000' },
    output: { type: 'string', default: 'docs/bench' },
  },
})

/** An app over so many servers, in processes that live through the whole run. */
class Subject {
  readonly servers: number
  readonly #pools: readonly Pool[]
  readonly #processes: readonly MeasuringProcess[]

  private constructor(pools: readonly Pool[], processes: readonly MeasuringProcess[]) {
    this.servers = pools.length
    this.#pools = pools
    this.#processes = processes
  }

  static async create(servers: readonly BenchServer[], processes: number): Promise<Subject> {
    const databases = await Promise.all(servers.map((one) => one.createDatabase(`of_${servers.length}`)))
    for (const { url } of databases) await severalServers.prepare(url)
    const urls = databases.map(({ url }) => url).join(' ')
    const forked = Array.from({ length: processes }, () => forkProcess(severalServers, urls))
    const pools = databases.map(({ pool }) => pool)
    return new Subject(pools, forked)
  }

  async take({ createMs, tasks }: Load): Promise<Sample> {
    await this.#settle()
    await this.#open(null)
    const created = await Promise.all(
      this.#processes.map((one) => one.createFor({ callers: CALLERS, ms: createMs, uniqueKeys: false })),
    )
    await this.#close()
    await this.#settle()
    const [first] = this.#processes
    await first?.open({ tuning: 'throughput', concurrency: null })
    await first?.createMany({ batches: tasks / BATCH, size: BATCH })
    await first?.close()
    return {
      servers: this.servers,
      createdPerSecond: Math.round(created.reduce((sum, one) => sum + one.tasks / one.seconds, 0)),
      processedPerSecond: Math.round(await this.#drain(tasks)),
    }
  }

  /** Time runs from the first handler's start until no server has an unfinished task. */
  async #drain(tasks: number): Promise<number> {
    await this.#open(severalServers.concurrency)
    const deadline = now() + DEADLINE_MS
    let started = 0
    let firstAt = Number.POSITIVE_INFINITY
    while (started < tasks || (await this.#isBusy())) {
      if (now() > deadline) throw new Error(`${started} of ${tasks} tasks started in ${DEADLINE_MS} ms`)
      await delay(started < tasks ? 5 : 1)
      for (const { count, firstAt: at } of await Promise.all(
        this.#processes.map((one) => one.takeStarts()),
      )) {
        started += count
        firstAt = Math.min(firstAt, at ?? firstAt)
      }
    }
    const seconds = (now() - firstAt) / 1_000
    await this.#close()
    return tasks / seconds
  }

  async #isBusy(): Promise<boolean> {
    const found = await Promise.all(
      this.#pools.map((pool) => pool.query<{ busy: boolean }>(severalServers.sql.busy)),
    )
    return found.some(({ rows }) => rows[0]?.busy)
  }

  async #settle(): Promise<void> {
    for (const statement of [severalServers.sql.discard, 'vacuum (analyze)', 'checkpoint']) {
      await Promise.all(this.#pools.map((pool) => pool.query(statement)))
    }
  }

  async #open(concurrency: number | null): Promise<void> {
    await Promise.all(this.#processes.map((one) => one.open({ tuning: 'throughput', concurrency })))
  }

  async #close(): Promise<void> {
    await Promise.all(this.#processes.map((one) => one.close()))
  }

  async end(): Promise<void> {
    await Promise.all(this.#processes.map((one) => one.end()))
  }
}

/** Every number of servers in each round, so that what disturbs the machine disturbs all alike. */
async function takeRounds(subjects: readonly Subject[], rounds: number, load: Load): Promise<Sample[]> {
  // Forgotten: it warms up compilers and caches.
  for (const subject of subjects) await subject.take({ createMs: load.createMs / 10, tasks: BATCH })
  const samples: Sample[] = []
  for (let round = 1; round <= rounds; round += 1) {
    for (const subject of subjects) samples.push(await subject.take(load))
  }
  return samples
}

function summarise(samples: readonly Sample[], counts: readonly number[]) {
  return counts.map((servers) => {
    const own = samples.filter((one) => one.servers === servers)
    const createdPerSecond = median(own.map((one) => one.createdPerSecond))
    const processedPerSecond = median(own.map((one) => one.processedPerSecond))
    return { servers, createdPerSecond, processedPerSecond }
  })
}

async function main(): Promise<void> {
  const counts = values.servers.split(',').map(Number)
  const given = process.env.BENCH_DATABASE_URLS?.split(' ')
  const servers: BenchServer[] = []
  const subjects: Subject[] = []
  try {
    while (servers.length < Math.max(...counts)) {
      servers.push(await startBenchServer({ given: given?.[servers.length] }))
    }
    const [first] = servers as [BenchServer]
    for (const count of counts) {
      subjects.push(await Subject.create(servers.slice(0, count), Number(values.processes)))
    }
    const load = { createMs: Number(values.ms), tasks: Number(values.tasks) }
    const samples = await takeRounds(subjects, Number(values.rounds), load)
    const medians = summarise(samples, counts)
    console.table(medians)
    const result = { processes: Number(values.processes), medians, samples }
    if (values.output !== 'none') writeResult(values.output, 'several-servers.json', result, first)
  } finally {
    await Promise.all(subjects.map((subject) => subject.end()))
    for (const server of servers) await server.stop()
  }
}

await main()
