import type { TaskStats } from '../contract/stats.ts'
import type { TaskStatus } from '../contract/task.ts'
import type { Database } from '../db/database.ts'
import {
  countByType,
  findLastHour,
  MAX_COUNTED_ENDS,
  MAX_COUNTED_OF_TYPE,
  type TypeCount,
} from './store/stats.ts'

const FRESH_MS = 1_000
/** Counting a long backlog takes its time: never more than this part of all time goes into it. */
const SHARE_OF_TIME = 1 / 20

/** How the table stands, counted once for all callers of a moment. */
export class Statistics {
  readonly #db: Database
  #latest: Promise<TaskStats> | undefined
  #freshUntil = Number.POSITIVE_INFINITY

  constructor(db: Database) {
    this.#db = db
  }

  /** Shared by those who ask meanwhile, and for a second after; longer where counting is dear. */
  read(): Promise<TaskStats> {
    if (this.#latest && performance.now() < this.#freshUntil) return this.#latest
    const begun = performance.now()
    this.#freshUntil = Number.POSITIVE_INFINITY
    this.#latest = this.#count()
    // A failure is its callers' alone: the next one tries again.
    this.#latest.then(
      () => this.#stayFresh(performance.now() - begun),
      () => {
        this.#latest = undefined
      },
    )
    return this.#latest
  }

  #stayFresh(costMs: number): void {
    this.#freshUntil = performance.now() + Math.max(FRESH_MS, costMs / SHARE_OF_TIME)
  }

  async #count(): Promise<TaskStats> {
    const [counts, finishedPerMinute] = await Promise.all([countByType(this.#db), findLastHour(this.#db)])
    return { ...summarize(counts), finishedPerMinute }
  }
}

/**
 * What waits and runs is exact. So are the ends up to a bound; beyond it they are estimated from the planner's
 * statistics, and never below what was counted.
 */
export function summarize(counts: readonly TypeCount[]): Omit<TaskStats, 'finishedPerMinute'> {
  const scale = {
    failed: endsScale(counts, 'failed', 'failedShare'),
    cancelled: endsScale(counts, 'cancelled', 'cancelledShare'),
  }
  const byType = counts.map((type) => {
    const { taskType, pending, running } = type
    const failed = Math.round(type.failed * scale.failed)
    const cancelled = Math.round(type.cancelled * scale.cancelled)
    const completed = Math.max(0, totalOf(type, counts) - pending - running - failed - cancelled)
    return { taskType, pending, running, completed, failed, cancelled }
  })
  const sum = (status: TaskStatus) => byType.reduce((total, type) => total + type[status], 0)
  const waits = counts.flatMap((type) => type.oldestDueSeconds ?? [])
  return {
    byStatus: {
      pending: sum('pending'),
      running: sum('running'),
      completed: sum('completed'),
      failed: sum('failed'),
      cancelled: sum('cancelled'),
    },
    byType,
    isEstimate:
      scale.failed !== 1 ||
      scale.cancelled !== 1 ||
      counts.some((type) => type.counted > MAX_COUNTED_OF_TYPE),
    oldestDueSeconds: waits.length === 0 ? null : Math.max(...waits),
  }
}

function totalOf({ counted, share, rows }: TypeCount, counts: readonly TypeCount[]): number {
  if (counted <= MAX_COUNTED_OF_TYPE || rows === null) return counted
  return Math.max(counted, Math.round(rows * (share ?? unnamedShare(counts))))
}

/** The statistics name the most common types; the others share what is left. */
function unnamedShare(counts: readonly TypeCount[]): number {
  const named = counts.flatMap(({ share }) => share ?? [])
  const left = 1 - named.reduce((total, share) => total + share, 0)
  return Math.max(0, left) / (counts.length - named.length)
}

/** How many ends each counted one stands for: 1 while all of them were counted. */
function endsScale(
  counts: readonly TypeCount[],
  status: 'failed' | 'cancelled',
  share: 'failedShare' | 'cancelledShare',
): number {
  const counted = counts.reduce((total, type) => total + type[status], 0)
  if (counted <= MAX_COUNTED_ENDS) return 1
  const [first] = counts
  const estimate = (first?.rows ?? 0) * (first?.[share] ?? 0)
  // Not 1 even where the estimate is no larger: there are more than were counted.
  return Math.max(estimate, counted + 1) / counted
}
