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
/** A count that lacks a connection for so many query timeouts is no longer shared. */
const MAX_SHARED_TIMEOUTS = 4
/** Counts of long backlogs take at most this share of the time. */
const SHARE_OF_TIME = 1 / 20

export class Statistics {
  readonly #db: Database
  #latest: Promise<TaskStats> | undefined
  #freshUntil = 0

  constructor(db: Database) {
    this.#db = db
  }

  /** Shares a count with later callers for a second; longer where counting is slow. */
  read(): Promise<TaskStats> {
    if (this.#latest && performance.now() < this.#freshUntil) return this.#latest
    const begun = performance.now()
    this.#freshUntil = begun + MAX_SHARED_TIMEOUTS * this.#db.responseTimeoutMs
    const count = this.#count()
    this.#latest = count
    count.then(
      () => this.#latest === count && this.#stayFresh(performance.now() - begun),
      () => this.#latest === count && this.#forget(performance.now() - begun),
    )
    return count
  }

  /** A count that fails fast is not shared; one that fails slowly is not repeated at once. */
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

/** Ended tasks beyond a bound are estimates from the planner's statistics, never below the counted number. */
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

function completedOf(
  { completed, share, rows }: TypeCount,
  counts: readonly TypeCount[],
  others: number,
): number {
  if (completed <= MAX_COUNTED_COMPLETED || rows === null) return completed
  return Math.max(completed, Math.round(rows * (share ?? unnamedShare(counts))) - others)
}

/** The planner's statistics name the most common types; all others share the rest. */
function unnamedShare(counts: readonly TypeCount[]): number {
  const named = counts.flatMap(({ share }) => share ?? [])
  const left = 1 - named.reduce((total, share) => total + share, 0)
  return Math.max(0, left) / (counts.length - named.length)
}

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
