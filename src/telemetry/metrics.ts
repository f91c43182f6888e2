import {
  Counter,
  collectDefaultMetrics,
  Gauge,
  Histogram,
  register as processRegistry,
  Registry,
} from '@prometheus-io/client'
import type { TaskStats } from '../contract/stats.ts'
import { TASK_STATUSES } from '../contract/task.ts'
import { isTransient } from '../db/errors.ts'
import type { TaskExecutor } from '../engine/executor/executor.ts'
import type { ExecutorHealth } from '../engine/executor/health.ts'
import type { TaskEvents } from '../engine/runtime/events.ts'
import { within } from '../engine/runtime/timeouts.ts'

/** Scrapes within this time share a response, or an error. */
const FRESH_MS = 1_000

const COUNT_TIMEOUT_MS = 2_000

/** Seconds: handlers take from milliseconds to an hour. */
const DURATION_BUCKETS = [0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600]

/** Outcomes written by the process that ran the attempt. */
const OUTCOMES = ['completed', 'failed', 'timed_out', 'interrupted'] as const
const LOOPS = [
  'poller',
  'heartbeat',
  'scheduler',
  'listener',
  'rescuer',
  'pruner',
  'feed',
  'schedules',
] as const
const LATE = ['completion', 'failure', 'progress', 'log'] as const

export interface MetricsSources {
  readonly events: TaskEvents
  /** Types that may run here: their counters start at 0. */
  readonly taskTypes: readonly string[]
  readonly executor: Pick<TaskExecutor, 'health'> | null
  /** Shared by concurrent callers, and for a while after. */
  stats(): Promise<TaskStats>
  /** Undefined: the database responds. Resolves in a bounded time. */
  findDatabaseProblem(): Promise<string | undefined>
}

/** Adds Node's metrics (memory, event loop, garbage collection) to every scrape. Call it once per process. */
export function measureProcess(): void {
  collectDefaultMetrics()
}

/**
 * The engine's metrics: events of this process since its start, its executor's health and, the same in every process,
 * counts of the table. Labels are task types, outcomes and loops, never ids.
 */
export class TaskMetrics {
  readonly #registry = new Registry()
  readonly #sources: MetricsSources
  readonly #databaseIsUp: Gauge
  readonly #tasks: Gauge<'task_type' | 'status'>
  readonly #oldestDue: Gauge
  readonly #countAge: Gauge
  readonly #failedCounts: Counter
  #counted: { readonly stats: TaskStats; readonly at: number } | undefined
  /** A permanent error of the last count. */
  #failure: unknown
  #latest: Promise<string> | undefined
  #freshUntil = 0

  constructor(sources: MetricsSources) {
    this.#sources = sources
    const registers = [this.#registry]
    countAttempts(sources, registers)
    countTroubles(sources.events, registers)
    if (sources.executor) gaugeExecutor(sources.executor, registers)
    const gauge = (name: string, help: string) => new Gauge({ name: `async_tasks_${name}`, help, registers })
    this.#databaseIsUp = gauge('database_up', '1 if the database responds, else 0.')
    this.#tasks = new Gauge({
      name: 'async_tasks_tasks',
      help: 'Tasks in the table, the same in every process. Ended tasks of a type count up to 10,000 per status.',
      labelNames: ['task_type', 'status'],
      registers,
    })
    this.#oldestDue = gauge('oldest_due_seconds', 'Wait of the oldest due task; 0 if none is due.')
    this.#countAge = gauge('count_age_seconds', 'Age of the counts of tasks in this process.')
    this.#failedCounts = new Counter({
      name: 'async_tasks_failed_counts_total',
      help: 'Scrapes whose count of tasks failed.',
      registers,
    })
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** In Prometheus' text format. Omits the table during an outage; rejects with other errors. */
  read(): Promise<string> {
    if (this.#latest && performance.now() < this.#freshUntil) return this.#latest
    this.#freshUntil = Number.POSITIVE_INFINITY
    this.#latest = this.#render().finally(() => {
      this.#freshUntil = performance.now() + FRESH_MS
    })
    return this.#latest
  }

  async #render(): Promise<string> {
    const [problem] = await Promise.all([
      this.#sources.findDatabaseProblem(),
      within(COUNT_TIMEOUT_MS, this.#count()),
    ])
    if (this.#failure !== undefined) throw this.#failure
    this.#databaseIsUp.set(problem === undefined ? 1 : 0)
    this.#setCounts(problem === undefined ? this.#counted : undefined)
    const [ofProcess, ofTasks] = await Promise.all([processRegistry.metrics(), this.#registry.metrics()])
    return ofProcess + ofTasks
  }

  /** A count slower than a scrape waits is served by a later one. */
  async #count(): Promise<void> {
    try {
      const stats = await this.#sources.stats()
      if (stats !== this.#counted?.stats) this.#counted = { stats, at: performance.now() }
      this.#failure = undefined
    } catch (error) {
      this.#failedCounts.inc()
      // `database_up` reports an outage.
      this.#failure = isTransient(error) ? undefined : error
    }
  }

  #setCounts(counted: { readonly stats: TaskStats; readonly at: number } | undefined): void {
    // Removes types without tasks.
    this.#tasks.reset()
    this.#oldestDue.remove()
    this.#countAge.remove()
    if (!counted) return
    for (const { taskType, ...counts } of counted.stats.byType) {
      for (const status of TASK_STATUSES) this.#tasks.set({ task_type: taskType, status }, counts[status])
    }
    this.#oldestDue.set(counted.stats.oldestDueSeconds ?? 0)
    this.#countAge.set((performance.now() - counted.at) / 1_000)
  }
}

function gaugeExecutor(executor: Pick<TaskExecutor, 'health'>, registers: Registry[]): void {
  const gauge = (name: string, help: string, read: (health: ExecutorHealth) => number) =>
    new Gauge({
      name: `async_tasks_${name}`,
      help,
      registers,
      collect() {
        this.set(read(executor.health()))
      },
    })
  gauge('slots', 'Handlers that may run at once in this process.', ({ slots }) => slots)
  gauge('slots_in_use', 'Handlers that run now in this process.', ({ running }) => running)
  gauge(
    'stuck_handlers',
    'Handlers that ignore their signal and keep their slot.',
    ({ stuck }) => stuck.length,
  )
  gauge('executor_healthy', '1 while this process can run tasks, else 0.', ({ ok }) => (ok ? 1 : 0))
}

function countAttempts({ events, taskTypes }: MetricsSources, registers: Registry[]): void {
  const attempts = new Counter({
    name: 'async_tasks_attempts_total',
    help: 'Attempts whose outcome this process wrote.',
    labelNames: ['task_type', 'outcome'],
    registers,
  })
  const durations = new Histogram({
    name: 'async_tasks_attempt_duration_seconds',
    help: 'Duration of attempts, up to the write of the outcome.',
    labelNames: ['task_type'],
    buckets: DURATION_BUCKETS,
    registers,
  })
  // Starts at 0: otherwise `increase()` misses the first one.
  for (const taskType of taskTypes) {
    for (const outcome of OUTCOMES) attempts.inc({ task_type: taskType, outcome }, 0)
  }
  events.on('ended', ({ taskType, outcome, durationMs }) => {
    attempts.inc({ task_type: taskType, outcome })
    durations.observe({ task_type: taskType }, durationMs / 1_000)
  })
}

function countTroubles(events: TaskEvents, registers: Registry[]): void {
  const counter = (name: string, help: string) =>
    new Counter({ name: `async_tasks_${name}_total`, help, registers })
  const counterOf = <Label extends string>(
    name: string,
    help: string,
    label: Label,
    values: readonly string[],
  ) => {
    const made = new Counter({ name: `async_tasks_${name}_total`, help, labelNames: [label], registers })
    for (const value of values) made.labels(value).inc(0)
    return made
  }
  const rescued = counter('rescued', 'Tasks of dead executors that this process rescued or failed.')
  events.on('rescued', ({ tasks }) => rescued.inc(tasks.length))
  const late = counterOf('late_writes', 'Writes of attempts that had lost their task.', 'what', LATE)
  events.on('late', ({ what }) => late.inc({ what }))
  const dropped = counter('log_lines_dropped', 'Log lines dropped because the buffer was full.')
  events.on('logsDropped', ({ count }) => dropped.inc(count))
  const ticks = counter('failed_ticks', 'Ticks of schedules that created no task because of an error.')
  events.on('tickFailed', () => ticks.inc())
  const loops = counterOf(
    'loop_failures',
    'Failed and restarted loops of the engine, once per outage.',
    'loop',
    LOOPS,
  )
  events.on('loopFailed', ({ loop }) => loops.inc({ loop }))
  const writes = counter(
    'failed_writes',
    'Writes that the database refused permanently, or that a stop abandoned.',
  )
  events.on('writeFailed', () => writes.inc())
}
