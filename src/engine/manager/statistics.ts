import { MAX_EXACT_TOTAL } from '../../contract/requests.ts'
import type { TaskStats } from '../../contract/stats.ts'
import type { TaskStatus } from '../../contract/task.ts'
import type { Database } from '../../db/database.ts'
import { countByType, findLastHour, type TypeCount } from '../store/stats.ts'

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

/** Ended tasks of a type count up to a bound: beyond it a count would read the whole history. */
function summarize(counts: readonly TypeCount[]): Omit<TaskStats, 'finishedPerMinute'> {
  const capped = (count: number) => Math.min(count, MAX_EXACT_TOTAL)
  const byType = counts.map(({ taskType, pending, running, completed, failed, cancelled, waitingFor }) => ({
    ...{ taskType, pending, running },
    ...{ completed: capped(completed), failed: capped(failed), cancelled: capped(cancelled) },
    ...(waitingFor && { waitingFor }),
  }))
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
    isCapped: counts.some((type) => Math.max(type.completed, type.failed, type.cancelled) > MAX_EXACT_TOTAL),
    oldestDueSeconds: longestWait(counts),
    oldestClaimableSeconds: longestWait(claimable),
  }
}

function longestWait(counts: readonly TypeCount[]): number | null {
  const waits = counts.flatMap((type) => type.oldestDueSeconds ?? [])
  return waits.length === 0 ? null : Math.max(...waits)
}
