import { setTimeout as delay } from 'node:timers/promises'
import type { Sample } from './measures/measure.ts'
import { forkProcess, type MeasuringProcess } from './process/fork.ts'
import type { BenchServer, Pool } from './server.ts'
import type { System } from './system.ts'

type CpuPerTask = Pick<Sample, 'serverCpuMicros' | 'clientCpuMicros'>

const LOOK_EVERY_MS = 1
const DEADLINE_MS = 60_000

/** A system under measurement: its database, and processes that live through the whole run. */
export class Subject {
  readonly system: System
  readonly url: string
  readonly pool: Pool
  readonly #readServerCpu: BenchServer['readCpu']
  readonly #execArgv: readonly string[]
  readonly #processes: MeasuringProcess[] = []

  private constructor(
    system: System,
    { url, pool }: { url: string; pool: Pool },
    readServerCpu: BenchServer['readCpu'],
    execArgv: readonly string[],
  ) {
    this.system = system
    this.url = url
    this.pool = pool
    this.#readServerCpu = readServerCpu
    this.#execArgv = execArgv
  }

  /** @param execArgv of its processes */
  static async create(
    system: System,
    server: BenchServer,
    database = system.name.replaceAll('-', '_'),
    execArgv: readonly string[] = [],
  ): Promise<Subject> {
    const made = await server.createDatabase(database)
    await system.prepare(made.url)
    return new Subject(system, made, server.readCpu, execArgv)
  }

  /** Its first `count` processes, made when they are first needed. */
  processes(count: number): readonly MeasuringProcess[] {
    while (this.#processes.length < count) {
      this.#processes.push(forkProcess(this.system, this.url, this.#execArgv))
    }
    return this.#processes.slice(0, count)
  }

  get process(): MeasuringProcess {
    const [first] = this.processes(1)
    if (!first) throw new Error('no process was made')
    return first
  }

  /** Every measurement starts from the same state: nothing to do, no dead rows, fresh statistics, a fresh checkpoint. */
  async settle(options: { discard: boolean }): Promise<void> {
    if (options.discard) await this.pool.query(this.system.sql.discard)
    await this.pool.query('vacuum (analyze)')
    await this.pool.query('checkpoint')
  }

  /** Returns a function that resolves to the CPU time since then, per task. */
  async startCpuClock(): Promise<(tasks: number) => Promise<CpuPerTask>> {
    const before = await this.#readCpu()
    return async (tasks) => {
      const after = await this.#readCpu()
      const perTask = (seconds: number) => (seconds / tasks) * 1e6
      return {
        clientCpuMicros: perTask(after.clients - before.clients),
        ...(after.server !== undefined &&
          before.server !== undefined && { serverCpuMicros: perTask(after.server - before.server) }),
      }
    }
  }

  async #readCpu(): Promise<{ server: number | undefined; clients: number }> {
    const clients = await Promise.all(this.#processes.map((one) => one.readCpu()))
    return { server: this.#readServerCpu?.(), clients: clients.reduce((sum, one) => sum + one, 0) }
  }

  async countStored(): Promise<number> {
    const { rows } = await this.pool.query<{ count: number }>(this.system.sql.stored)
    return rows[0]?.count ?? 0
  }

  /** Resolves when the database shows no unfinished task. */
  async whenFinished(): Promise<void> {
    const deadline = Date.now() + DEADLINE_MS
    for (;;) {
      const { rows } = await this.pool.query<{ busy: boolean }>(this.system.sql.busy)
      if (!rows[0]?.busy) return
      if (Date.now() > deadline) throw new Error(`${this.system.name} leaves tasks unfinished`)
      await delay(LOOK_EVERY_MS)
    }
  }

  async end(): Promise<void> {
    await Promise.all(this.#processes.map((one) => one.end()))
  }
}
