import type { Health } from '../../contract/health.ts'
import type { LocalFacts, ManagerOptions } from '../create/manager-parts.ts'
import { listExecutors } from '../store/executors.ts'
import { countEndsByType } from '../store/figures.ts'
import { findFailedSchedules } from '../store/schedules.ts'
import { assessFleet } from './health-rules.ts'
import type { Statistics } from './statistics.ts'

const UNKNOWN: LocalFacts = { reasons: [], warnings: [], blockedMs: 0 }

/** Checks all processes, and this one in more detail. */
export async function readFleetHealth({
  db,
  statistics,
  findLocal,
}: Pick<ManagerOptions, 'db' | 'findLocal'> & { readonly statistics: Statistics }): Promise<Health> {
  const [executors, stats, ended, failedSchedules] = await Promise.all([
    listExecutors(db),
    statistics.read(),
    countEndsByType(db),
    findFailedSchedules(db),
  ])
  return assessFleet({ executors, stats, ended, failedSchedules, local: findLocal?.() ?? UNKNOWN })
}
