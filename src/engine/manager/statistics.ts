import type { TaskStats } from '../../contract/stats.ts'
import type { TaskStatus } from '../../contract/task.ts'
import type { Database } from '../../db/database.ts'
import {
  countByType,
  findLastHour,
  MAX_COUNTED_COMPLETED,
  MAX_COUNTED_ENDS,
  type TypeCount,
} from '../store/stats.ts'

const FRESH_MS = 1_000
/** A count that has not ended after so many answers' time, for want of a connection, is shared no longer. */
const ANSWERS_A_COUNT = 4
/** Counting a long backlog takes its time: never more than this part of all time goes into it. */
const SHARE_OF_TIME = 1 / 20

/** How the table stands, counted once for all callers of a moment. */
export class Statistics {
  readonly #db: Database
  #latest: Promise<TaskStats> | undefined
  #freshUntil = 0

  constructor(db: Database) {
    this.#db = db
  }

  /** Shared by those who ask meanwhile, and for a second after; longer where counting is dear. */
  read(): Promise<TaskStats> {
    if (this.#latest && performance.now() < this.#freshUntil) return this.#latest
    const begun = performance.now()
    this.#freshUntil = begun + ANSWERS_A_COUNT * this.#db.answerTimeoutMs
    const count = this.#count()
    this.#latest = count
    count.then(
      () => this.#latest === count && this.#stayFresh(performance.now() - begun),
      () => this.#latest === count && this.#forget(performance.now() - begun),
    )
    return count
  }

  /** A failure that comes at once is its callers' alone. Where counts fail after long, none begins right after another. */
  #forget(costMs: number): void {
    if (costMs < FRESH_MS) this.#latest = undefined
    else this.#freshUntil = performance.now() + costMs
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
 * What waits and runs is exact. So are the ends of a type up to a bound; beyond it they are estimated from the planner's
 * statistics, and never below what was counted.
 */
export function summarize(counts: readonly TypeCount[]): Omit<TaskStats, 'finishedPerMinute'> {
  const failed = estimateEnds(counts, 'failed', 'failedShare')
  const cancelled = estimateEnds(counts, 'cancelled', 'cancelledShare')
  const byType = counts.map((type, i) => {
    const { taskType, pending, running, waitingFor } = type
    const ends = { failed: failed[i] ?? type.failed, cancelled: cancelled[i] ?? type.cancelled }
    const others = pending + running + ends.failed + ends.cancelled
    const completed = completedOf(type, counts, others)
    return { taskType, pending, running, completed, ...ends, ...(waitingFor && { waitingFor }) }
  })
  const sum = (status: TaskStatus) => byType.reduce((total, type) => total + type[status], 0)
  const claimable = counts.filter((type) => !type.paused && !type.waitingFor)
  return {
    byStatus: {
      pending: sum('pending'),
      running: sum('running'),
      completed: sum('completed'),
      failed: sum('failed'),
      cancelled: sum('cancelled'),
    },
    byType,
    isEstimate: counts.some(
      (type) =>
        type.completed > MAX_COUNTED_COMPLETED ||
        type.failed > MAX_COUNTED_ENDS ||
        type.cancelled > MAX_COUNTED_ENDS,
    ),
    oldestDueSeconds: longestWait(counts),
    oldestClaimableSeconds: longestWait(claimable),
  }
}

function longestWait(counts: readonly TypeCount[]): number | null {
  const waits = counts.flatMap((type) => type.oldestDueSeconds ?? [])
  return waits.length === 0 ? null : Math.max(...waits)
}

/** What is left of all tasks of the type. */
function completedOf(
  { completed, share, rows }: TypeCount,
  counts: readonly TypeCount[],
  others: number,
): number {
  if (completed <= MAX_COUNTED_COMPLETED || rows === null) return completed
  return Math.max(completed, Math.round(rows * (share ?? unnamedShare(counts))) - others)
}

/** The statistics name the most common types; the others share what is left. */
function unnamedShare(counts: readonly TypeCount[]): number {
  const named = counts.flatMap(({ share }) => share ?? [])
  const left = 1 - named.reduce((total, share) => total + share, 0)
  return Math.max(0, left) / (counts.length - named.length)
}

/** Of each type: types with too many to count share what the statistics have beyond the others. */
function estimateEnds(
  counts: readonly TypeCount[],
  status: 'failed' | 'cancelled',
  share: 'failedShare' | 'cancelledShare',
): number[] {
  const isCounted = (type: TypeCount) => type[status] <= MAX_COUNTED_ENDS
  const counted = counts.filter(isCounted).reduce((total, type) => total + type[status], 0)
  const left = (counts[0]?.rows ?? 0) * (counts[0]?.[share] ?? 0) - counted
  const others = counts.filter((type) => !isCounted(type)).length
  return counts.map((type) =>
    isCounted(type) ? type[status] : Math.max(type[status], Math.round(left / others)),
  )
}
