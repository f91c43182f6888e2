import { HEALTH_CODES, HEALTH_LEVELS, type Health } from '../contract/health.ts'
import type { TaskStats } from '../contract/stats.ts'
import { TASK_STATUSES } from '../contract/task.ts'
import { isTransient } from '../db/errors.ts'
import { databaseAway } from '../engine/manager/health-rules.ts'
import { within } from '../engine/runtime/timeouts.ts'
import { type Metric, type MetricOptions, Reading, type Sample } from './metric.ts'

/** Scrapes within this time share a count. */
const FRESH_MS = 1_000

const COUNT_TIMEOUT_MS = 2_000

export interface TableSources {
  /** Shared by concurrent callers, and for a while after. */
  stats(): Promise<TaskStats>
  /** Shared in the same way. */
  health(): Promise<Health>
  /** Undefined: the database responds. Resolves in a bounded time. */
  findDatabaseProblem(): Promise<string | undefined>
}

interface TimedStats {
  readonly stats: TaskStats
  readonly at: number
}

interface TableState {
  readonly isUp: boolean
  /** Undefined during an outage, before the first count and after one that failed. */
  readonly counted: TimedStats | undefined
  /** Undefined as `counted`. */
  readonly health: Health | undefined
  /** A permanent error of the last count. */
  readonly failure: unknown
}

/**
 * The state of the table, the same in every process. All metrics of a scrape share one reading, which takes two seconds
 * at most: a slower count is served by a later scrape. What is not known is left out.
 */
export class TableCounts {
  readonly #sources: TableSources
  #counted: TimedStats | undefined
  #health: Health | undefined
  #failure: unknown
  #failedCounts = 0
  #latest: Promise<TableState> | undefined
  #freshUntil = 0

  constructor(sources: TableSources) {
    this.#sources = sources
  }

  get metrics(): readonly Metric[] {
    const gauge = (options: MetricOptions, samplesOf: (state: TableState) => Sample[]) =>
      new Reading('gauge', { ...options, read: async () => samplesOf(await this.read()) })
    return [
      gauge(
        {
          name: 'async_tasks_database_up',
          help: '1 if the database responds, else 0.',
          aggregator: 'min',
        },
        ({ isUp }) => [sample(isUp ? 1 : 0)],
      ),
      gauge(
        {
          name: 'async_tasks_tasks',
          help: 'Tasks in the table, the same in every process. Ended tasks of a type count up to 10,000 per status.',
          aggregator: 'max',
        },
        ({ counted }) => (counted ? countsOf(counted.stats) : []),
      ),
      gauge(
        {
          name: 'async_tasks_oldest_due_seconds',
          help: 'Wait of the oldest due task; 0 if none is due.',
          aggregator: 'max',
        },
        ({ counted }) => (counted ? [sample(counted.stats.oldestDueSeconds ?? 0)] : []),
      ),
      gauge(
        {
          name: 'async_tasks_count_age_seconds',
          help: 'Age of the counts of tasks in this process.',
          aggregator: 'max',
        },
        ({ counted }) => (counted ? [sample((performance.now() - counted.at) / 1_000)] : []),
      ),
      gauge(
        {
          name: 'async_tasks_health',
          help: 'What is wrong, by reason: 0 nothing, 1 needs attention, 2 tasks do not run or most of them fail.',
          aggregator: 'max',
        },
        ({ isUp, health }) => healthOf(isUp ? health : databaseAway()),
      ),
      new Reading('counter', {
        name: 'async_tasks_failed_counts_total',
        help: 'Scrapes whose count of tasks failed.',
        read: async () => {
          await this.read()
          return [sample(this.#failedCounts)]
        },
      }),
    ]
  }

  read(): Promise<TableState> {
    if (this.#latest && performance.now() < this.#freshUntil) return this.#latest
    this.#freshUntil = Number.POSITIVE_INFINITY
    this.#latest = this.#query().finally(() => {
      this.#freshUntil = performance.now() + FRESH_MS
    })
    return this.#latest
  }

  async #query(): Promise<TableState> {
    const [problem] = await Promise.all([
      this.#sources.findDatabaseProblem(),
      within(COUNT_TIMEOUT_MS, this.#count()),
      within(COUNT_TIMEOUT_MS, this.#assess()),
    ])
    const isUp = problem === undefined
    const failure = this.#failure
    const isKnown = isUp && failure === undefined
    return {
      isUp,
      counted: isKnown ? this.#counted : undefined,
      health: isKnown ? this.#health : undefined,
      failure,
    }
  }

  async #assess(): Promise<void> {
    try {
      this.#health = await this.#sources.health()
    } catch (error) {
      this.#health = undefined
      // The count meets the same error.
      if (!isTransient(error)) this.#failure ??= error
    }
  }

  async #count(): Promise<void> {
    try {
      const stats = await this.#sources.stats()
      if (stats !== this.#counted?.stats) this.#counted = { stats, at: performance.now() }
      this.#failure = undefined
    } catch (error) {
      this.#failedCounts += 1
      // `database_up` reports an outage.
      this.#failure = isTransient(error) ? undefined : error
    }
  }
}

const sample = (value: number): Sample => ({ labels: {}, value })

function countsOf({ byType }: TaskStats): Sample[] {
  return byType.flatMap(({ taskType, ...counts }) =>
    TASK_STATUSES.map((status) => ({ labels: { task_type: taskType, status }, value: counts[status] })),
  )
}

/** All reasons, so that one that is gone shows as 0. */
function healthOf(health: Health | undefined): Sample[] {
  if (!health) return []
  return HEALTH_CODES.map((code) => {
    const level = health.reasons.find((reason) => reason.code === code)?.level ?? 'green'
    return { labels: { reason: code.toLowerCase() }, value: HEALTH_LEVELS.indexOf(level) }
  })
}
