import { MAX_EXACT_TOTAL } from '../../contract/requests.ts'
import type { TaskStats } from '../../contract/stats.ts'
import type { TaskStatus } from '../../contract/task.ts'
import type { Database } from '../../db/database.ts'
import { countByType, countOpenByType, findLastHour, type OpenCount, type TypeCount } from '../store/stats.ts'
import { SharedRead } from './shared-read.ts'

/** A count that lacks a connection for so many query timeouts is no longer shared. */
const MAX_SHARED_TIMEOUTS = 4

export class Statistics {
  readonly #db: Database
  readonly #shared: SharedRead<TaskStats>
  readonly #sharedOpen: SharedRead<OpenCount[]>

  constructor(db: Database) {
    this.#db = db
    const patienceMs = MAX_SHARED_TIMEOUTS * db.responseTimeoutMs
    this.#shared = new SharedRead(() => this.#count(), patienceMs)
    this.#sharedOpen = new SharedRead(() => countOpenByType(db), patienceMs)
  }

  read(): Promise<TaskStats> {
    return this.#shared.get()
  }

  /** Without the ended tasks, whose counts cost most. */
  countOpen(): Promise<readonly OpenCount[]> {
    return this.#sharedOpen.get()
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
