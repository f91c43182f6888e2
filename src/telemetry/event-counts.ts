import type { TaskEvents } from '../engine/runtime/events.ts'
import { Counter, Histogram, type Metric } from './metric.ts'

/** Seconds: handlers take from milliseconds to an hour. */
const DURATION_BUCKETS = [0.005, 0.025, 0.1, 0.5, 1, 5, 15, 60, 300, 900, 3_600]

/** Outcomes written by the process that ran the attempt. */
const OUTCOMES = ['completed', 'failed', 'timed_out', 'interrupted', 'sleeping'] as const
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

/** Counts what happens in this process, from `listen` on. */
export class EventCounts {
  readonly #attempts: Counter
  readonly #failed: Counter
  readonly #durations = new Histogram({
    name: 'async_tasks_attempt_duration_seconds',
    help: 'Duration of attempts, up to the write of the outcome.',
    bounds: DURATION_BUCKETS,
  })
  readonly #rescued = counter('rescued', 'Tasks of dead executors that this process rescued or failed.')
  readonly #late = counterOf('late_writes', 'Writes of attempts that had lost their task.', 'what', LATE)
  readonly #dropped = counter('log_lines_dropped', 'Log lines dropped because the buffer was full.')
  readonly #ticks = counter('failed_ticks', 'Ticks of schedules that created no task because of an error.')
  readonly #loops = counterOf(
    'loop_failures',
    'Failed and restarted loops of the engine, once per outage.',
    'loop',
    LOOPS,
  )
  readonly #writes = counter(
    'failed_writes',
    'Writes that the database refused permanently, or that a stop abandoned.',
  )

  /** `taskTypes` are read at each scrape. */
  constructor(taskTypes: Iterable<string>) {
    this.#failed = new Counter({
      name: 'async_tasks_tasks_failed_total',
      help: 'Tasks that failed without a retry left, as this process wrote.',
      known: () => [...taskTypes].map((taskType) => ({ task_type: taskType })),
    })
    this.#attempts = new Counter({
      name: 'async_tasks_attempts_total',
      help: 'Attempts whose outcome this process wrote.',
      known: () =>
        [...taskTypes].flatMap((taskType) => OUTCOMES.map((outcome) => ({ task_type: taskType, outcome }))),
    })
  }

  get metrics(): readonly Metric[] {
    return [
      this.#attempts,
      this.#failed,
      this.#durations,
      this.#rescued,
      this.#late,
      this.#dropped,
      this.#ticks,
      this.#loops,
      this.#writes,
    ]
  }

  listen(events: TaskEvents): void {
    events.on('ended', ({ taskType, outcome, durationMs, retryInMs }) => {
      this.#attempts.inc({ task_type: taskType, outcome })
      if ((outcome === 'failed' || outcome === 'timed_out') && retryInMs === undefined)
        this.#failed.inc({ task_type: taskType })
      this.#durations.observe({ task_type: taskType }, durationMs / 1_000)
    })
    events.on('rescued', ({ tasks }) => {
      this.#rescued.inc({}, tasks.length)
      for (const { taskType, status } of tasks)
        if (status === 'failed') this.#failed.inc({ task_type: taskType })
    })
    events.on('unknownTypeFailed', ({ taskType }) => this.#failed.inc({ task_type: taskType }))
    events.on('late', ({ what }) => this.#late.inc({ what }))
    events.on('logsDropped', ({ count }) => this.#dropped.inc({}, count))
    events.on('tickFailed', () => this.#ticks.inc())
    events.on('loopFailed', ({ loop }) => this.#loops.inc({ loop }))
    events.on('writeFailed', () => this.#writes.inc())
  }
}

function counter(name: string, help: string): Counter {
  return new Counter({ name: `async_tasks_${name}_total`, help })
}

function counterOf(name: string, help: string, label: string, values: readonly string[]): Counter {
  const known = () => values.map((value) => ({ [label]: value }))
  return new Counter({ name: `async_tasks_${name}_total`, help, known })
}
