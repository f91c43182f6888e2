import { setTimeout as delay } from 'node:timers/promises'
import type { AsyncTasksOptions } from '../../src/index.ts'
import type { Audit } from '../processes/chaos/audit.ts'
import { between, pick, type Random } from '../processes/chaos/seed.ts'
import { WorkerProcess } from '../processes/chaos/worker-process.ts'
import type { Release } from './releases.ts'
import type { UpgradeWorkerConfig } from './upgrade-worker.ts'

const script = new URL('./upgrade-worker.ts', import.meta.url)

interface FleetOptions {
  readonly databaseUrl: string
  readonly auditUrl: string
  readonly audit: Audit
  readonly random: Random
}

/** What is started, and with which of the host's options. */
export interface Kind {
  readonly release: Release
  readonly migrate: NonNullable<AsyncTasksOptions['migrate']>
}

/** Processes of several versions on one database. Their names begin with that of their release. */
export class Fleet {
  readonly #options: FleetOptions
  /** All that have ever been. */
  readonly workers: WorkerProcess[] = []
  kills = 0

  constructor(options: FleetOptions) {
    this.#options = options
  }

  get alive(): readonly WorkerProcess[] {
    return this.workers.filter((worker) => !worker.hasExited)
  }

  fork({ release, migrate }: Kind): WorkerProcess {
    const { databaseUrl, auditUrl, audit } = this.#options
    const config: UpgradeWorkerConfig = {
      ...{ databaseUrl, auditUrl, entry: release.entry, options: { migrate } },
      name: `${release.name} ${this.workers.length + 1}`,
      isCurrent: release.name === 'new',
    }
    const worker = new WorkerProcess(config, { script })
    this.workers.push(worker)
    void worker.exited.then(() => audit.noteDeath(worker.name))
    return worker
  }

  async start(...kinds: readonly Kind[]): Promise<void> {
    await Promise.all(kinds.map((kind) => this.fork(kind).tells('ready')))
  }

  /** One is killed every second or so, at times while it starts, and one of these kinds takes its place. */
  async killAtRandom(kinds: readonly Kind[], forMs: number): Promise<void> {
    const { random, audit } = this.#options
    for (const until = performance.now() + forMs; performance.now() < until; ) {
      await delay(between(random, 500, 1_500))
      const victim = pick(random, this.alive)
      victim.signal('SIGKILL')
      await victim.exited
      await audit.noteDeath(victim.name)
      this.kills += 1
      this.fork(pick(random, kinds))
    }
    await Promise.all(this.alive.map((worker) => worker.tells('ready')))
  }

  /** They stop creating tasks, and go on running them. */
  async stopCreating(): Promise<void> {
    await Promise.all(this.alive.map((worker) => worker.ask('release')))
  }

  /** Ends these as a deployment does. @returns their exit codes */
  async stop(workers: readonly WorkerProcess[]): Promise<(number | null)[]> {
    for (const worker of workers) worker.signal('SIGTERM')
    return Promise.all(workers.map((worker) => worker.exited))
  }

  /** Kills whatever is left. */
  async destroy(): Promise<void> {
    for (const worker of this.alive) worker.signal('SIGKILL')
    await Promise.all(this.workers.map((worker) => worker.exited))
  }

  /** Other output than log lines up to `info`, and those above that one of these patterns fits. */
  unexpectedOutput(expected: readonly RegExp[]): string[] {
    return this.workers.flatMap(({ name, logLines, stray }) => {
      const unexpected = logLines.filter(({ taskType = 'of none:', msg }) => {
        return !expected.some((pattern) => pattern.test(`${taskType} ${msg}`))
      })
      return [
        ...unexpected.map((line) => `${name}: ${JSON.stringify(line)}`),
        ...(stray ? [`${name}:${stray}`] : []),
      ]
    })
  }
}
