import type { Health } from '../../contract/health.ts'
import type { Database } from '../../db/database.ts'
import type { LocalFacts } from '../create/manager-parts.ts'
import { listExecutors } from '../store/executors.ts'
import { countEndsByType } from '../store/figures.ts'
import { findFailedSchedules } from '../store/schedules.ts'
import { assessFleet } from './health-rules.ts'
import { SharedRead } from './shared-read.ts'
import type { Statistics } from './statistics.ts'

const UNKNOWN: LocalFacts = { reasons: [], warnings: [], blockedMs: 0 }

/** Checks all processes, and this one in more detail. */
export class FleetHealth {
  readonly #shared: SharedRead<Health>

  constructor(parts: {
    db: Database
    statistics: Statistics
    findLocal?: (() => LocalFacts) | undefined
  }) {
    const { db, statistics, findLocal } = parts
    const assess = async () => {
      const [executors, stats, ended, failedSchedules] = await Promise.all([
        listExecutors(db),
        statistics.read(),
        countEndsByType(db),
        findFailedSchedules(db),
      ])
      return assessFleet({
        executors,
        stats,
        ended,
        failedSchedules,
        local: findLocal?.() ?? UNKNOWN,
      })
    }
    this.#shared = new SharedRead(assess, db.responseTimeoutMs)
  }

  read(): Promise<Health> {
    return this.#shared.get()
  }
}
