import { setTimeout as delay } from 'node:timers/promises'
import Fastify, { type FastifyInstance } from 'fastify'
import type pg from 'pg'
import { afterEach, beforeEach, expect } from 'vitest'
import { isOutage } from '../../../src/db/errors.ts'
import type { TaskSettingsInput } from '../../../src/engine/definition/settings.ts'
import type { TaskManager } from '../../../src/engine/manager/manager.ts'
import asyncTasks from '../../../src/plugin.ts'
import { createTestDatabase, type TestDatabase } from '../../support/database.ts'
import { type FaultProxy, startFaultProxy } from '../../support/fault-proxy.ts'
import { Audit, AuditWriter } from './audit.ts'
import { addBystanders, readBystanders } from './bystanders.ts'
import { createRandom, type Random, SEED } from './seed.ts'
import type { WorkerConfig } from './worker-messages.ts'
import { WorkerProcess } from './worker-process.ts'
import { createWorkerTasks } from './worker-tasks.ts'

/** A lease of 2 s, and everything else in proportion. */
export const QUICK: TaskSettingsInput = {
  concurrency: 8,
  pollIntervalMs: 200,
  heartbeatIntervalMs: 400,
  leaseMs: 2_000,
  cancelGraceMs: 1_000,
  retryBaseMs: 50,
  shutdownTimeoutMs: 10_000,
}

export interface WorkerOptions {
  readonly settings?: TaskSettingsInput
  /** Where it finds the database. Default: through the proxy. */
  readonly databaseUrl?: string
  readonly directUrl?: string
  readonly prepared?: boolean
  readonly logLevel?: WorkerConfig['logLevel']
  readonly quiet?: boolean
  readonly clockOffsetMs?: number
}

/**
 * Where a scenario takes place: a database with a fault proxy before it, an audit in another database, and worker
 * processes. The tests themselves reach the database directly.
 */
export class Arena {
  readonly random: Random
  readonly database: TestDatabase
  readonly proxy: FaultProxy
  readonly audit: Audit
  readonly #app: FastifyInstance
  readonly #auditDatabase: TestDatabase
  readonly #bystanders: unknown[]
  readonly #workers: WorkerProcess[] = []
  #forked = 0

  private constructor(parts: {
    random: Random
    database: TestDatabase
    proxy: FaultProxy
    auditDatabase: TestDatabase
    app: FastifyInstance
    bystanders: unknown[]
  }) {
    this.random = parts.random
    this.database = parts.database
    this.proxy = parts.proxy
    this.audit = new Audit(parts.auditDatabase.pool)
    this.#auditDatabase = parts.auditDatabase
    this.#app = parts.app
    this.#bystanders = parts.bystanders
  }

  static async open(name: string, database: TestDatabase): Promise<Arena> {
    const auditDatabase = await createTestDatabase('empty')
    const app = Fastify({ logger: false })
    // Creates the workers' tasks and runs none.
    const audit = new AuditWriter(auditDatabase.url, 'arena')
    app.addHook('onClose', () => audit.close())
    await app.register(asyncTasks, {
      connectionString: database.url,
      tasks: createWorkerTasks({ audit, pool: database.pool, gate: AbortSignal.abort(), tell: () => {} }),
      executor: false,
      routes: false,
      migrate: false,
    })
    await app.ready()
    const bystanders = await addBystanders(database.pool)
    const proxy = await startFaultProxy(database.url)
    const arena = new Arena({ random: createRandom(name), database, proxy, auditDatabase, app, bystanders })
    await arena.audit.createTables()
    return arena
  }

  /** Creates and steers tasks from this process. */
  get tasks(): TaskManager {
    return this.#app.tasks
  }

  get workers(): readonly WorkerProcess[] {
    return this.#workers.filter((worker) => !worker.hasExited)
  }

  /** Forks a worker and waits until its app is ready. */
  async startWorker(options: WorkerOptions = {}): Promise<WorkerProcess> {
    const worker = this.forkWorker(options)
    await worker.tells('ready')
    return worker
  }

  forkWorker({ settings = {}, ...options }: WorkerOptions = {}): WorkerProcess {
    this.#forked += 1
    const config: WorkerConfig = {
      name: `worker-${this.#forked}`,
      databaseUrl: options.databaseUrl ?? this.proxy.url,
      ...(options.directUrl === undefined ? {} : { directUrl: options.directUrl }),
      auditUrl: this.#auditDatabase.url,
      settings: { ...QUICK, ...settings },
      prepared: options.prepared ?? true,
      logLevel: options.logLevel ?? 'info',
      quiet: options.quiet ?? false,
    }
    const { clockOffsetMs } = options
    const worker = new WorkerProcess(config, clockOffsetMs === undefined ? {} : { clockOffsetMs })
    this.#workers.push(worker)
    void worker.exited.then(() => this.audit.noteDeath(worker.name))
    return worker
  }

  /** Ends a worker with -9; resolves when it is dead and its death is noted. */
  async kill(worker: WorkerProcess): Promise<void> {
    worker.signal('SIGKILL')
    await worker.exited
    await this.audit.noteDeath(worker.name)
  }

  /** Creates as many tasks; answers their ids. */
  async create(
    count: number,
    taskType: string,
    params: () => Record<string, unknown> = () => ({}),
    options: { maxRetries?: number } = {},
  ): Promise<string[]> {
    const ids: string[] = []
    while (ids.length < count) {
      const items = Array.from({ length: Math.min(1_000, count - ids.length) }, () => ({
        task: taskType,
        params: params(),
        ...options,
      }))
      for (const { taskId } of await this.tasks.createTasks(items)) ids.push(taskId)
    }
    return ids
  }

  async createOne(taskType: string, params: Record<string, unknown> = {}, options = {}): Promise<string> {
    return (await this.tasks.createTask(taskType, params, options)).taskId
  }

  /** Over restarts of the server, which break the test's own connections too. */
  async query<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
    for (;;) {
      try {
        return (await this.database.pool.query<Row>(text, values)).rows
      } catch (error) {
        if (!isOutage(error)) throw error
        await delay(50)
      }
    }
  }

  /** Tasks by status, without the bystanders. */
  async statuses(): Promise<Record<string, number>> {
    const rows = await this.query<{ status: string; count: number }>(
      `select status, count(*)::int from async_tasks
        where not starts_with(task_id, 'task_bystander') group by status`,
    )
    return Object.fromEntries(rows.map(({ status, count }) => [status, count]))
  }

  /** How many have completed. */
  async completed(): Promise<number> {
    return (await this.statuses()).completed ?? 0
  }

  /** Waits until nothing is pending or running, and expects these ends. */
  async allEnded(expected: Record<string, number>, timeout = 120_000): Promise<void> {
    const unfinished = async () => {
      const { pending = 0, running = 0 } = await this.statuses()
      return pending + running
    }
    await expect.poll(unfinished, { timeout, interval: 50 }).toBe(0)
    expect(await this.statuses()).toEqual(expected)
  }

  /** Every task of this form completed, and by the audit none was live twice at once. */
  async allCompleted(count: number, timeout?: number): Promise<void> {
    await this.allEnded({ completed: count }, timeout)
    expect(await this.audit.overlaps()).toEqual([])
    expect((await this.audit.count()).tasks).toBe(count)
  }

  /** Waits until this worker may judge others: its heartbeats have gone through for a lease. */
  async isSteady(worker: WorkerProcess, timeout = 60_000): Promise<void> {
    const pid = worker.pid
    const steady = `select 1 from async_task_executors
                     where pid = $1 and heartbeat_at - started_at > lease_ms * interval '1 millisecond'`
    await expect.poll(async () => (await this.query(steady, [pid])).length, { timeout, interval: 50 }).toBe(1)
  }

  /** What holds after every scenario; then everything is taken down. */
  async close(): Promise<void> {
    try {
      this.proxy.set('none')
      await Promise.all(this.workers.map((worker) => this.#closeWorker(worker)))
      expect(await readBystanders(this.database.pool)).toEqual(this.#bystanders)
      const idle = `select query from pg_stat_activity where datname = current_database() and state like 'idle in%'`
      expect(await this.query(idle)).toEqual([])
    } finally {
      await Promise.all(this.workers.map((worker) => this.kill(worker)))
      await this.#app.close()
      await this.proxy.close()
      await this.#auditDatabase.drop()
      await this.database.drop()
    }
  }

  /** No client is checked out of an idle worker's pool, and it ends as a good server should. */
  async #closeWorker(worker: WorkerProcess): Promise<void> {
    worker.signal('SIGCONT')
    await worker.ask('release')
    await expect.poll(() => worker.ask('pool')).toMatchObject({ checkedOut: 0, waiting: 0 })
    worker.signal('SIGTERM')
    expect(await worker.exited).toBe(0)
    await this.audit.noteDeath(worker.name)
  }
}

/** An arena for each test of a file, in a database of the run's own server or of `createDatabase`. */
export function useArena(createDatabase: () => Promise<TestDatabase> = () => createTestDatabase()): {
  readonly current: Arena
} {
  let arena: Arena | undefined
  beforeEach(async ({ task }) => {
    arena = await Arena.open(task.name, await createDatabase())
    console.log(`CHAOS_SEED=${SEED} ${task.name}`)
  })
  afterEach(async () => {
    const open = arena
    arena = undefined
    await open?.close()
  })
  return {
    get current() {
      if (!arena) throw new Error('there is an arena only within a test')
      return arena
    },
  }
}
