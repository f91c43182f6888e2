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

/** However many scrape: after this time the answer is made anew. So long an error is shared, too. */
const FRESH_MS = 1_000

/** How long a scrape waits for the table to be counted. */
const COUNT_TIMEOUT_MS = 2_000

/** Seconds: from handlers that write a row to those that run for an hour. */
const DURATION_BUCKETS = [0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600]

/** Written by the process that ran the attempt; a cancelled or lost one is the row's matter. */
const OUTCOMES = ['completed', 'failed', 'timed_out', 'interrupted'] as const
const LOOPS = ['poller', 'heartbeat', 'scheduler', 'listener', 'pruner', 'feed', 'schedules'] as const
const LATE = ['completion', 'failure', 'progress', 'log'] as const

export interface MetricsSources {
  readonly events: TaskEvents
  /** The types that may run here: their counters begin at zero. */
  readonly taskTypes: readonly string[]
  /** Null where this process runs no tasks. */
  readonly executor: Pick<TaskExecutor, 'health'> | null
  /** How the table stands: shared by those who ask at the same time, and for a while after. */
  stats(): Promise<TaskStats>
  /** What is wrong with the database; undefined when it answers. Resolves in a bounded time. */
  findDatabaseProblem(): Promise<string | undefined>
}

/**
 * From now on every scrape also tells how Node and its process are: memory, event loop, garbage collection, under the
 * names that dashboards know. To be called once a process.
 */
export function measureProcess(): void {
  collectDefaultMetrics()
}

/**
 * What the engine tells Prometheus: what has happened in this process since it started, how its executor is, and, the
 * same in every process, how the table stands. Labels hold names of task types, outcomes and loops, never an id.
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
  /** Of the last count: an error that no later one will be spared. */
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
    this.#databaseIsUp = gauge('database_up', '1 when the database answers, else 0.')
    this.#tasks = new Gauge({
      name: 'async_tasks_tasks',
      help: 'Tasks in the table, whichever process runs them. Large numbers of ended ones are estimates.',
      labelNames: ['task_type', 'status'],
      registers,
    })
    this.#oldestDue = gauge(
      'oldest_due_seconds',
      'How long the oldest due task has waited; 0 when none waits.',
    )
    this.#countAge = gauge('count_age_seconds', 'How long ago this process got the newest count of tasks.')
    this.#failedCounts = new Counter({
      name: 'async_tasks_failed_counts_total',
      help: 'Scrapes for which the tasks in the table could not be counted.',
      registers,
    })
  }

  /** The type of the text that `read` resolves to. */
  get contentType(): string {
    return this.#registry.contentType
  }

  /** In Prometheus' text format. With the database away the table is left out; what else is wrong is thrown. */
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
    this.#takeCounted(problem === undefined ? this.#counted : undefined)
    const [ofProcess, ofTasks] = await Promise.all([processRegistry.metrics(), this.#registry.metrics()])
    return ofProcess + ofTasks
  }

  /** A count that takes longer than a scrape waits is in a later one. */
  async #count(): Promise<void> {
    try {
      const stats = await this.#sources.stats()
      if (stats !== this.#counted?.stats) this.#counted = { stats, at: performance.now() }
      this.#failure = undefined
    } catch (error) {
      this.#failedCounts.inc()
      // Whether the database is away the other question says.
      this.#failure = isTransient(error) ? undefined : error
    }
  }

  #takeCounted(counted: { readonly stats: TaskStats; readonly at: number } | undefined): void {
    // A type of which nothing is left is no longer told of.
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
  gauge('slots_in_use', 'Handlers that run in this process.', ({ running }) => running)
  gauge(
    'stuck_handlers',
    'Handlers that ignore their signal and keep their slot.',
    ({ stuck }) => stuck.length,
  )
  gauge('executor_healthy', '1 while this process is fit to run tasks, else 0.', ({ ok }) => (ok ? 1 : 0))
}

function countAttempts({ events, taskTypes }: MetricsSources, registers: Registry[]): void {
  const attempts = new Counter({
    name: 'async_tasks_attempts_total',
    help: 'Attempts whose end this process has written.',
    labelNames: ['task_type', 'outcome'],
    registers,
  })
  const durations = new Histogram({
    name: 'async_tasks_attempt_duration_seconds',
    help: 'How long they took, from the start of the handler to the record of its end.',
    labelNames: ['task_type'],
    buckets: DURATION_BUCKETS,
    registers,
  })
  // From zero on: what begins with one has not risen for Prometheus, and the first failure would go unnoticed.
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
  const rescued = counter('rescued', 'Tasks of dead executors that this process put back or failed.')
  events.on('rescued', ({ tasks }) => rescued.inc(tasks.length))
  const late = counterOf(
    'late_writes',
    'Runs that wrote after their task had ended or changed hands.',
    'what',
    LATE,
  )
  events.on('late', ({ what }) => late.inc({ what }))
  const dropped = counter('log_lines_dropped', 'Log lines that found the buffer full.')
  events.on('logsDropped', ({ count }) => dropped.inc(count))
  const ticks = counter('failed_ticks', 'Times that ticks of a schedule made no task.')
  events.on('tickFailed', () => ticks.inc())
  const loops = counterOf(
    'loop_failures',
    'Times that a loop of the engine died; once an outage.',
    'loop',
    LOOPS,
  )
  events.on('loopFailed', ({ loop }) => loops.inc({ loop }))
  const writes = counter('failed_writes', 'Writes that were refused for good, or given up at a stop.')
  events.on('writeFailed', () => writes.inc())
}
