import { setTimeout as delay } from 'node:timers/promises'
import type { Limit, Session, System, Tuning } from '../system.ts'
import { type Commands, type Created, now, type Paced, type Starts } from './commands.ts'

const TICK_MS = 10

/** Carries commands out on one system; at most one session is open at a time. */
export class SessionCommands implements Commands {
  readonly #system: System
  readonly #url: string
  #session: Session | undefined
  #tuning: Tuning = 'throughput'
  #limit: Limit | undefined
  #created = 0
  #count = 0
  #firstAt: number | null = null
  #each: [number, number][] = []

  constructor(system: System, url: string) {
    this.#system = system
    this.#url = url
  }

  async open({ tuning, concurrency, limit }: Parameters<Commands['open']>[0]): Promise<void> {
    this.#tuning = tuning
    this.#limit = limit
    const runs = concurrency === null ? {} : { runs: { concurrency, onStart: this.#onStart } }
    this.#session = await this.#system.open(this.#url, { tuning, ...(limit && { limit }), ...runs })
  }

  async close(): Promise<void> {
    await this.#opened.close()
    this.#session = undefined
  }

  async createFor({ callers, ms, uniqueKeys }: Parameters<Commands['createFor']>[0]): Promise<Created> {
    const session = this.#opened
    const callMs: number[] = []
    const from = now()
    const caller = async () => {
      while (now() - from < ms) {
        const calledAt = now()
        const n = this.#created++
        await session.create(n, uniqueKeys ? `key ${n}` : undefined)
        callMs.push(now() - calledAt)
      }
    }
    await Promise.all(Array.from({ length: callers }, caller))
    return { tasks: callMs.length, seconds: (now() - from) / 1_000, callMs }
  }

  async createMany({ batches, size }: Parameters<Commands['createMany']>[0]): Promise<Created> {
    const session = this.#opened
    const callMs: number[] = []
    const from = now()
    for (let batch = 0; batch < batches; batch += 1) {
      const calledAt = now()
      await session.createMany(Array.from({ length: size }, (_, i) => batch * size + i))
      callMs.push(now() - calledAt)
    }
    return { tasks: batches * size, seconds: (now() - from) / 1_000, callMs }
  }

  async createPaced({ tasks, everyMs }: Parameters<Commands['createPaced']>[0]): Promise<Paced> {
    const session = this.#opened
    const calledAt: number[] = []
    const callMs: number[] = []
    const calls: Promise<void>[] = []
    for (let n = 0; n < tasks; n += 1) {
      // Not in step with any poll interval.
      await delay(everyMs * (0.5 + Math.random()))
      const at = now()
      calledAt[n] = at
      calls.push(
        session.create(n).then(() => {
          callMs[n] = now() - at
        }),
      )
    }
    await Promise.all(calls)
    return { calledAt, callMs }
  }

  async offer({ perSecond, seconds }: Parameters<Commands['offer']>[0]): Promise<Paced> {
    const session = this.#opened
    const perTick = Math.max(1, Math.round((perSecond * TICK_MS) / 1_000))
    const calledAt: number[] = []
    const callMs: number[] = []
    const calls: Promise<void>[] = []
    const from = now()
    for (let tick = 0; tick < (perSecond * seconds) / perTick; tick += 1) {
      await delay(Math.max(0, from + (tick * perTick * 1_000) / perSecond - now()))
      const at = now()
      const numbers = Array.from({ length: perTick }, (_, i) => tick * perTick + i)
      for (const n of numbers) calledAt[n] = at
      calls.push(session.createMany(numbers).then(() => void callMs.push(now() - at)))
    }
    await Promise.all(calls)
    return { calledAt, callMs }
  }

  async takeStarts(): Promise<Starts> {
    const starts = { count: this.#count, firstAt: this.#firstAt, each: this.#each }
    this.#count = 0
    this.#firstAt = null
    this.#each = []
    return starts
  }

  async readCpu(): Promise<number> {
    const { user, system } = process.cpuUsage()
    return (user + system) / 1e6
  }

  async readHeap(): Promise<number> {
    if (!globalThis.gc) throw new Error('the process does not run with --expose-gc')
    globalThis.gc()
    return process.memoryUsage().heapUsed
  }

  get #opened(): Session {
    if (!this.#session) throw new Error('no session is open')
    return this.#session
  }

  readonly #onStart = (n: number): Promise<unknown> | undefined => {
    this.#count += 1
    this.#firstAt ??= now()
    // Of a drain only the first one matters, and noting the others would cost it time.
    if (this.#tuning === 'latency') this.#each.push([n, now()])
    return this.#limit?.taskMs ? delay(this.#limit.taskMs) : undefined
  }
}
