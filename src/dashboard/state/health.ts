import type { ExecutorView, TaskStats } from '../../client/index.ts'

/** Heartbeats come every five seconds where nobody has said otherwise; one that is missed may be on its way. */
const LATE_MS = 12_000
/** An executor that died longer ago has been replaced or given up. */
const RECENTLY_MS = 3_600_000
/** Due tasks wait this long while all slots are in use. */
const BACKLOG_SECONDS = 60
/** Of the tasks that ended in the last hour; fewer failures than that say nothing. */
const FAILED_SHARE = 0.2
const MIN_FAILED = 5

/** The worst of what is wrong. */
export type Health = 'ok' | 'failing' | 'backlog' | 'late' | 'lost' | 'stuck' | 'missing' | 'down' | 'unknown'

/**
 * Whether tasks run, in time and with success. Executors of any process count; the one that serves the page may have
 * none. Without statistics nobody knows whether tasks wait for an executor that is not there.
 */
export function healthOf(
  executors: readonly ExecutorView[] | undefined,
  stats: TaskStats | undefined,
): Health {
  if (!executors) return 'unknown'
  const alive = executors.filter((one) => one.alive)
  if (alive.length === 0) return 'down'
  if (alive.some(({ stuck }) => stuck.length > 0)) return 'stuck'
  if (executors.some((one) => !one.alive && one.heartbeatAgeMs < RECENTLY_MS)) return 'lost'
  if (alive.some(({ heartbeatAgeMs }) => heartbeatAgeMs > LATE_MS)) return 'late'
  if (!stats) return 'unknown'
  if (stats.byType.some(({ waitingFor }) => waitingFor === 'executor')) return 'missing'
  const { used, all } = countSlots(alive)
  if (used >= all && (oldestWait(stats) ?? 0) > BACKLOG_SECONDS) return 'backlog'
  return isFailing(stats) ? 'failing' : 'ok'
}

/** Of the tasks that could start, in seconds; a server of an earlier version does not leave out the others. */
export function oldestWait(stats: TaskStats | undefined): number | null {
  const { oldestDueSeconds = null, oldestClaimableSeconds = oldestDueSeconds } = stats ?? {}
  return oldestClaimableSeconds
}

/** A task may be running still in its row when its slot is free already. */
export function countSlots(executors: readonly ExecutorView[]): { used: number; all: number } {
  return {
    used: executors.reduce((sum, one) => sum + Math.min(one.runningTasks.length, one.slots), 0),
    all: executors.reduce((sum, one) => sum + one.slots, 0),
  }
}

function isFailing({ finishedPerMinute }: TaskStats): boolean {
  const failed = finishedPerMinute.reduce((sum, one) => sum + one.failed, 0)
  const completed = finishedPerMinute.reduce((sum, one) => sum + one.completed, 0)
  return failed >= MIN_FAILED && failed / (failed + completed) >= FAILED_SHARE
}
