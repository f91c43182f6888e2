import { setTimeout as delay } from 'node:timers/promises'
import { forkProcess, type MeasuringProcess } from './process/fork.ts'
import type { BenchServer, Pool } from './server.ts'
import type { System } from './system.ts'

const LOOK_EVERY_MS = 1
const DEADLINE_MS = 60_000

/** A system under measurement: its database, and processes that live through the whole run. */
export class Subject {
  readonly system: System
  readonly url: string
  readonly pool: Pool
  readonly #processes: MeasuringProcess[] = []

  private constructor(system: System, url: string, pool: Pool) {
    this.system = system
    this.url = url
    this.pool = pool
  }

  static async create(
    system: System,
    server: BenchServer,
    database = system.name.replaceAll('-', '_'),
  ): Promise<Subject> {
    const { url, pool } = await server.createDatabase(database)
    await system.prepare(url)
    return new Subject(system, url, pool)
  }

  /** Its first `count` processes, made when they are first needed. */
  processes(count: number): readonly MeasuringProcess[] {
    while (this.#processes.length < count) this.#processes.push(forkProcess(this.system, this.url))
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
