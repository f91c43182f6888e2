import { setTimeout as delay } from 'node:timers/promises'
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
import type { TaskEvents } from '../tasks/events.ts'
import type { TaskExecutor } from '../tasks/executor/executor.ts'

/** A scrape tells what this process knows, at the latest after this, whatever the database does. */
const STATS_TIMEOUT_MS = 2_000

/** Seconds: from handlers that write a row to those that run for an hour. */
const DURATION_BUCKETS = [0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600]

export interface MetricsSources {
  readonly events: TaskEvents
  readonly executor: Pick<TaskExecutor, 'health' | 'slots'> | null
  /** How the table stands: shared by those who ask at the same time, and for a moment after. */
  stats(): Promise<TaskStats>
}

/**
 * From now on every scrape also tells how Node and its process are: memory, event loop, garbage collection, under the
 * names that its dashboards know. To be called once a process.
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
  readonly #slots: Gauge
  readonly #slotsInUse: Gauge
  readonly #stuck: Gauge
  readonly #isHealthy: Gauge
  readonly #databaseAnswers: Gauge
  readonly #tasks: Gauge<'task_type' | 'status'>
  readonly #oldestDue: Gauge

  constructor(sources: MetricsSources) {
    this.#sources = sources
    const registers = [this.#registry]
    countEvents(sources.events, registers)
    const gauge = (name: string, help: string) => new Gauge({ name: `async_tasks_${name}`, help, registers })
    this.#slots = gauge('slots', 'Handlers that may run at once in this process.')
    this.#slotsInUse = gauge('slots_in_use', 'Slots that are taken.')
    this.#stuck = gauge('stuck_handlers', 'Handlers that ignore their signal and keep their slot.')
    this.#isHealthy = gauge('executor_healthy', '1 while every loop of the executor passes, else 0.')
    this.#databaseAnswers = gauge('database_up', '1 when the database has answered this scrape, else 0.')
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
  }

  /** The type of the text that `read` resolves to. */
  get contentType(): string {
    return this.#registry.contentType
  }

  /** In Prometheus' text format. With the database away what is in the table is left out. */
  async read(): Promise<string> {
    const stats = await Promise.race([
      this.#sources.stats().catch(() => undefined),
      delay(STATS_TIMEOUT_MS, undefined, { ref: false }),
    ])
    this.#takeExecutor()
    this.#takeStats(stats)
    const [ofProcess, ofTasks] = await Promise.all([processRegistry.metrics(), this.#registry.metrics()])
    return ofProcess + ofTasks
  }

  #takeExecutor(): void {
    const { executor } = this.#sources
    if (!executor) return
    const { ok, stuck } = executor.health()
    this.#slots.set(executor.slots.size)
    this.#slotsInUse.set(executor.slots.inUse)
    this.#stuck.set(stuck.length)
    this.#isHealthy.set(ok ? 1 : 0)
  }

  #takeStats(stats: TaskStats | undefined): void {
    this.#databaseAnswers.set(stats ? 1 : 0)
    // A type of which nothing is left is no longer told of.
    this.#tasks.reset()
    this.#oldestDue.remove()
    if (!stats) return
    for (const { taskType, ...counts } of stats.byType) {
      for (const status of TASK_STATUSES) this.#tasks.set({ task_type: taskType, status }, counts[status])
    }
    this.#oldestDue.set(stats.oldestDueSeconds ?? 0)
  }
}

function countEvents(events: TaskEvents, registers: Registry[]): void {
  const counter = <Label extends string>(name: string, help: string, ...labelNames: Label[]) =>
    new Counter({ name: `async_tasks_${name}_total`, help, labelNames, registers })
  const attempts = counter('attempts', 'Attempts that ended here.', 'task_type', 'outcome')
  const durations = new Histogram({
    name: 'async_tasks_attempt_duration_seconds',
    help: 'How long attempts took, from the start of the handler to the record of its end.',
    labelNames: ['task_type'],
    buckets: DURATION_BUCKETS,
    registers,
  })
  events.on('ended', ({ taskType, outcome, durationMs }) => {
    attempts.inc({ task_type: taskType, outcome })
    durations.observe({ task_type: taskType }, durationMs / 1_000)
  })
  const rescued = counter('rescued', 'Tasks of dead executors that this process put back or failed.')
  events.on('rescued', ({ tasks }) => rescued.inc(tasks.length))
  const late = counter('late_writes', 'Writes that came after their task had ended or changed hands.', 'what')
  events.on('late', ({ what }) => late.inc({ what }))
  const dropped = counter('log_lines_dropped', 'Log lines that found the buffer full.')
  events.on('logsDropped', ({ count }) => dropped.inc(count))
  const ticks = counter('failed_ticks', 'Ticks of schedules that made no task.', 'schedule')
  events.on('tickFailed', ({ schedule }) => ticks.inc({ schedule }))
  const loops = counter('loop_failures', 'Times that a loop of the executor died; once an outage.', 'loop')
  events.on('loopFailed', ({ loop }) => loops.inc({ loop }))
  const writes = counter('failed_writes', 'Writes that were refused for good.')
  events.on('writeFailed', () => writes.inc())
}
