import type { Health, HealthCode, HealthLevel, HealthReason } from '../../contract/health.ts'
import type { TaskStats } from '../../contract/stats.ts'
import type { ExecutorView } from '../../contract/task.ts'
import type { LocalFacts } from '../create/manager-parts.ts'
import type { ListedExecutor } from '../store/executors.ts'
import type { TypeEnds } from '../store/figures.ts'
import { countSlots } from './slots-in-use.ts'

/** The input of the rules. */
export interface HealthFacts {
  readonly executors: readonly ListedExecutor[]
  readonly stats: Pick<TaskStats, 'byType' | 'byStatus' | 'oldestClaimableSeconds'>
  /** Tasks that ended in the last five minutes, by type. */
  readonly ended: readonly TypeEnds[]
  /** Names of schedules whose latest tick created no task. */
  readonly failedSchedules: readonly string[]
  /** Of the process that answers. */
  readonly local: LocalFacts
}

const DIED_LATELY_MS = 10 * 60_000
/** Of its lease, which is at least three heartbeats. */
const LATE_SHARE = 0.6
const FULL_SECONDS = { amber: 60, red: 10 * 60 }
const FAILED_SHARE = { amber: 0.1, red: 0.5 }
/** A failure share of fewer failures is ignored. */
const MIN_FAILED = 5
const BLOCKED_MS = { amber: 1_000, red: 10_000 }
const MAX_NAMES = 20

type Evidence = HealthReason['evidence']

const reason = (
  code: HealthCode,
  level: HealthReason['level'],
  text: string,
  evidence: Evidence = {},
): HealthReason[] => [{ code, level, text, evidence }]

type Rule = (facts: HealthFacts) => HealthReason[]

const RULES: readonly Rule[] = [
  hasNoExecutor,
  isUnhealthyHere,
  hasDied,
  isLate,
  isStuck,
  isFull,
  isUnserved,
  fails,
  scheduleFailed,
  isBlocked,
  isDelayed,
]

export function assessFleet(facts: HealthFacts): Health {
  return toHealth(RULES.flatMap((rule) => rule(facts)))
}

/** Nothing else is known then. */
export function databaseAway(): Health {
  return toHealth(reason('DATABASE_AWAY', 'red', 'The database does not respond.'))
}

function toHealth(reasons: readonly HealthReason[]): Health {
  const ofLevel = (level: HealthLevel) => reasons.filter((one) => one.level === level)
  const sorted = [...ofLevel('red'), ...ofLevel('amber')]
  return { level: sorted[0]?.level ?? 'green', reasons: sorted }
}

function hasNoExecutor({ executors }: HealthFacts): HealthReason[] {
  if (executors.some(({ alive }) => alive)) return []
  return reason('NO_EXECUTOR', 'red', 'No executor is alive: nothing runs.')
}

function isUnhealthyHere({ local }: HealthFacts): HealthReason[] {
  if (local.reasons.length === 0) return []
  return reason(
    'EXECUTOR_UNHEALTHY',
    'red',
    `The executor of the process that answers cannot run tasks: ${local.reasons.join('; ')}.`,
  )
}

function hasDied({ executors }: HealthFacts): HealthReason[] {
  const died = executors.filter(({ alive, heartbeatAgeMs }) => !alive && heartbeatAgeMs < DIED_LATELY_MS)
  if (died.length === 0) return []
  const text = `${count(died.length, 'executor')} died in the last 10 minutes.`
  return reason('EXECUTOR_DIED', 'amber', text, { executorIds: idsOf(died) })
}

function isLate({ executors }: HealthFacts): HealthReason[] {
  const late = executors.filter(
    ({ alive, heartbeatAgeMs, leaseMs }) => alive && heartbeatAgeMs > LATE_SHARE * leaseMs,
  )
  if (late.length === 0) return []
  const text = `${count(late.length, 'executor')} missed a heartbeat.`
  return reason('HEARTBEAT_LATE', 'amber', text, { executorIds: idsOf(late) })
}

function isStuck({ executors }: HealthFacts): HealthReason[] {
  const stuck = executors.filter(({ alive }) => alive).flatMap((one) => one.stuck)
  if (stuck.length === 0) return []
  const text = `${count(stuck.length, 'handler')} ignored the signal to stop, and each keeps its slot.`
  return reason('HANDLERS_STUCK', 'amber', text, { taskIds: stuck.slice(0, MAX_NAMES) })
}

function isFull({ executors, stats }: HealthFacts): HealthReason[] {
  const { used, all } = countSlots(executors)
  const seconds = Math.floor(stats.oldestClaimableSeconds ?? 0)
  if (all === 0 || used < all || seconds <= FULL_SECONDS.amber) return []
  const text = `All ${all} slots are in use, and a due task has waited for ${seconds} s.`
  return reason('SLOTS_FULL', seconds > FULL_SECONDS.red ? 'red' : 'amber', text)
}

function isUnserved({ stats }: HealthFacts): HealthReason[] {
  const unserved = stats.byType.filter(({ waitingFor }) => waitingFor === 'executor')
  if (unserved.length === 0) return []
  const text = `Due tasks of ${count(unserved.length, 'type')} wait for an executor: no live one has registered the type.`
  return reason('TYPE_UNSERVED', 'amber', text, { taskTypes: namesOf(unserved) })
}

function fails({ ended }: HealthFacts): HealthReason[] {
  const failed = ended.reduce((total, type) => total + type.failed, 0)
  const all = ended.reduce((total, type) => total + type.failed + type.completed, 0)
  const share = failed / all
  if (failed < MIN_FAILED || share <= FAILED_SHARE.amber) return []
  const failing = ended.filter((type) => type.failed > 0).toSorted((a, b) => b.failed - a.failed)
  const text = `${failed} of the ${all} tasks that ended in the last 5 minutes failed.`
  return reason('TASKS_FAIL', share > FAILED_SHARE.red ? 'red' : 'amber', text, {
    taskTypes: namesOf(failing),
  })
}

function scheduleFailed({ failedSchedules }: HealthFacts): HealthReason[] {
  if (failedSchedules.length === 0) return []
  const text = `The last tick of ${count(failedSchedules.length, 'schedule')} created no task.`
  return reason('SCHEDULE_FAILED', 'amber', text, { schedules: failedSchedules.slice(0, MAX_NAMES) })
}

function isBlocked({ local: { blockedMs } }: HealthFacts): HealthReason[] {
  if (blockedMs <= BLOCKED_MS.amber) return []
  const text = `The event loop of the process that answers was blocked for ${(blockedMs / 1_000).toFixed(1)} s.`
  return reason('EVENT_LOOP_BLOCKED', blockedMs > BLOCKED_MS.red ? 'red' : 'amber', text)
}

function isDelayed({ local: { warnings } }: HealthFacts): HealthReason[] {
  return warnings.length === 0 ? [] : reason('TASKS_DELAYED', 'amber', `${warnings.join('; ')}.`)
}

const idsOf = (executors: readonly ExecutorView[]) => executors.slice(0, MAX_NAMES).map(({ id }) => id)

const namesOf = (types: readonly { readonly taskType: string | null }[]) =>
  types.flatMap(({ taskType }) => taskType ?? []).slice(0, MAX_NAMES)

function count(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`
}
