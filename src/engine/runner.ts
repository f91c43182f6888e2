import type pg from 'pg'
import { createPrivatePool, endPool, ping } from '../db/client.ts'
import { createDatabase, type Database } from '../db/database.ts'
import type { EngineSchema } from '../db/engine-schema.ts'
import { Gate } from '../db/gate.ts'
import { watchDatabase } from '../db/probe.ts'
import { sharePool } from '../db/shared-pool.ts'
import { type LocalFacts, partsOf } from './create/manager-parts.ts'
import { TaskError } from './definition/errors.ts'
import type { TaskRegistry } from './definition/registry.ts'
import type { TaskSettings } from './definition/settings.ts'
import type { TaskDefinition } from './definition/task.ts'
import { TaskExecutor } from './executor/executor.ts'
import type { TaskFeed } from './feed/feed.ts'
import { ChangeReporter } from './feed/reporter.ts'
import { FigureCounter } from './maintenance/figure-counter.ts'
import { RunRecorder } from './maintenance/run-recorder.ts'
import { TaskManager } from './manager/manager.ts'
import { refuseCalls } from './manager/refused-calls.ts'
import { Notifier } from './notify/notifier.ts'
import { TaskEvents } from './runtime/events.ts'
import { LoopDelay } from './runtime/loop-delay.ts'
import type { Tracing } from './runtime/tracing.ts'
import { DeclaredSchedules } from './schedules/declared-schedules.ts'
import type { ScheduleOptions } from './schedules/schedule-options.ts'
import { warmUpInsert } from './store/insert.ts'

export interface TaskRunnerOptions {
  readonly pool: pg.Pool
  /** Default: `public`. */
  readonly schema?: EngineSchema | undefined
  readonly settings: TaskSettings
  readonly registry: TaskRegistry
  readonly schedules?: readonly ScheduleOptions[] | undefined
  readonly version: string
  readonly executes: boolean
  readonly prepared: boolean
  readonly listen: pg.ClientConfig | undefined
  /** Resolves once the tables exist; until then statements wait. Default: they exist. */
  readonly opened?: Promise<void>
  /** Default: nothing is traced. */
  readonly tracing?: Tracing | undefined
}

/** Handlers may hold all of the app's pool, and locked rows all connections of the writes. */
const OWN_CONNECTIONS = [
  // One stays open at rest, where claims are minutes apart: opening it takes longer than a claim.
  { min: 1, max: 5, idleMs: 5_000 },
  { max: 1, idleMs: 60_000 },
] as const
const SPARE_CONNECTIONS = { max: 2, idleMs: 5_000 }
/** Opened for viewers, so that they and the app do not wait for each other. */
const FEED_CONNECTIONS = { max: 2, idleMs: 5_000 }

/** An executor must notice a dead connection within its lease. */
const responseTimeoutOf = ({ leaseMs }: TaskSettings) => Math.min(leaseMs / 2, 30_000)

export class TaskRunner {
  readonly events = new TaskEvents()
  readonly manager: TaskManager
  readonly executor: TaskExecutor | null
  readonly feed: TaskFeed
  /** The types that may run here, complete after the start. */
  readonly taskTypes: Iterable<string>
  /** Undefined: the database responds. Resolves in a bounded time, also while handlers hold the pool. */
  readonly findDatabaseProblem: () => Promise<string | undefined>
  readonly #stopped = new AbortController()
  readonly #db: Database
  readonly #gate = new Gate()
  readonly #loopDelay = new LoopDelay()
  readonly #ownPools: readonly pg.Pool[]
  readonly #notifier: Notifier
  readonly #figures: FigureCounter
  readonly #runs: RunRecorder | undefined
  readonly #reporter: ChangeReporter
  readonly #registry: TaskRegistry
  readonly #definitions: Map<string, TaskDefinition>
  readonly #schedules: DeclaredSchedules
  #isStopping = false
  #hasStarted = false

  constructor(options: TaskRunnerOptions) {
    const { pool, schema, prepared, registry, settings, version, listen, tracing } = options
    const { events } = this
    const responseTimeoutMs = responseTimeoutOf(settings)
    if (options.opened) this.#gate.holdUntil(options.opened)
    const connection = { prepared, responseTimeoutMs, gate: this.#gate, schema }
    const connect = (to: pg.Pool) => createDatabase(to, connection)
    const connectTimeoutMs = responseTimeoutMs
    const definitions = new Map(registry.definitions())
    const spare = createPrivatePool(pool, { ...SPARE_CONNECTIONS, connectTimeoutMs })
    const shared = sharePool(pool, spare, Math.min(connectTimeoutMs, 10_000))
    const db = connect(shared.pool)
    const notifier = new Notifier({
      db,
      events,
      holds: (taskId, attempt) => this.executor?.holds(taskId, attempt) ?? false,
    })
    const feedPool = createPrivatePool(pool, { ...FEED_CONNECTIONS, connectTimeoutMs })
    const feedDb = connect(feedPool)
    const isReady = () => this.#hasStarted || !options.executes
    const own = { isReady, findLocal: () => this.#findLocal(), limiter: notifier.dueLimiter }
    const manager = new TaskManager({ db, settings, definitions, events, feedDb, tracing, ...own })
    this.feed = partsOf(manager).feed
    const [writes, beats] = options.executes
      ? OWN_CONNECTIONS.map((own) => createPrivatePool(pool, { ...own, connectTimeoutMs }))
      : []
    this.#ownPools = [writes, beats, feedPool, spare].filter((own) => own !== undefined)
    const executor =
      writes && beats
        ? new TaskExecutor({
            db: connect(writes),
            heartDb: connect(beats),
            settings,
            definitions,
            manager,
            events,
            version,
            findShortage: shared.findShortage,
            ...(listen && { listen }),
          })
        : null
    this.taskTypes = { [Symbol.iterator]: () => definitions.keys() }
    this.findDatabaseProblem = watchDatabase(() => ping(shared.pool))
    this.#db = db
    this.#figures = new FigureCounter(db, events)
    this.#runs = executor ? new RunRecorder(db, executor, events) : undefined
    this.#reporter = new ChangeReporter(db, events)
    this.#notifier = notifier
    this.manager = manager
    this.executor = executor
    this.#registry = registry
    this.#definitions = definitions
    this.#schedules = new DeclaredSchedules({
      db,
      events,
      declare: (schedules) => manager.declareSchedules(schedules),
      schedules: options.schedules ?? [],
      checks: executor !== null && listen !== undefined,
    })
  }

  /** Fixes the types. @throws TaskError for an invalid declared schedule */
  async start(): Promise<void> {
    if (this.#isStopping) return
    this.#hasStarted = true
    for (const [type, definition] of this.#registry.definitions()) this.#definitions.set(type, definition)
    // A migration may take longer than Fastify allows a hook.
    if (this.#gate.isOpen) await this.#begin()
    else void this.#beginLate()
  }

  get isOpen(): boolean {
    return this.#gate.isOpen
  }

  /** Aborts when no attempt ends here any more. */
  get stopped(): AbortSignal {
    return this.#stopped.signal
  }

  #findLocal(): LocalFacts {
    const { reasons = [], warnings = [] } = this.executor?.health() ?? {}
    return {
      reasons: this.#hasStarted ? reasons : [],
      warnings,
      blockedMs: this.#loopDelay.longestMs,
    }
  }

  async #beginLate(): Promise<void> {
    try {
      await this.#gate.held
      await this.#begin()
    } catch (error) {
      if (!this.#isStopping) this.events.emit('loopFailed', { loop: 'start', error })
    }
  }

  async #begin(): Promise<void> {
    try {
      await this.#schedules.start(() => !this.#isStopping)
    } catch (error) {
      if (!this.#isStopping) throw error
    }
    if (this.#isStopping) return
    this.executor?.start()
    // Saves the first create from opening a connection. Later creates report errors.
    warmUpInsert(this.#db).catch(() => {})
  }

  /** Begins to stop and returns at once. Ends waits and streams, which would keep a server from closing. */
  beginStop(): void {
    this.#isStopping = true
    this.#schedules.beginStop()
    this.executor?.beginStop()
    this.manager.close()
  }

  /** @throws TaskError `SHUTTING_DOWN` when the database did not take the last writes in time */
  async stop(): Promise<void> {
    this.beginStop()
    try {
      await this.executor?.stop()
    } finally {
      this.#stopped.abort()
      this.#loopDelay.stop()
      this.#notifier.flush()
      await Promise.all([this.#figures.stop(), this.#runs?.stop(), this.#reporter.stop()])
      this.#gate.close(new TaskError('SHUTTING_DOWN', 'the app has closed'))
      refuseCalls(this.manager)
      await Promise.all(this.#ownPools.map((pool) => endPool(pool, 1_000)))
    }
  }
}
