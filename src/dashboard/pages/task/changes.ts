import type { AuditEntry, TaskDetail } from '../../../client/index.ts'

/** Changes shown: the page of activity has all. */
const SHOWN = 20
/** Not refused. The second one takes effect when the transaction that holds the task ends. */
const ACCEPTED = new Set(['ok', 'CANCEL_PENDING'])

/** What people have done to a task since an instant, oldest first; its creator is shown with its creation. */
export function findChanges(entries: readonly AuditEntry[], since: Date): readonly AuditEntry[] {
  return entries
    .filter(({ at, action, outcome }) => ACCEPTED.has(outcome) && action !== 'task.create' && at >= since)
    .slice(0, SHOWN)
    .toReversed()
}

export function findCreation(entries: readonly AuditEntry[]): AuditEntry | undefined {
  return entries.find(({ action, outcome }) => action === 'task.create' && outcome === 'ok')
}

/** The latest retry between the end of an attempt and the start of the next; null: it has not started. */
export function findRetry(
  changes: readonly AuditEntry[],
  after: Date,
  before: Date | null,
): AuditEntry | undefined {
  return changes.findLast(
    ({ at, action }) => action === 'task.retry' && at >= after && (before === null || at <= before),
  )
}

/** What differs after a change that the page is notified of; progress is not among it. */
export function stateOf(task: TaskDetail): string {
  const { status, attempts, runAt, priority, maxRetries, timeoutSeconds, expiresAt, uniqueKey } = task
  return JSON.stringify([
    ...[status, attempts.length, runAt, priority],
    ...[maxRetries, timeoutSeconds, expiresAt, uniqueKey],
  ])
}
