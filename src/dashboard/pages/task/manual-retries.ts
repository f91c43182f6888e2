import type { TaskAttempt, TaskDetail } from '../../../client/index.ts'

/** Outcomes after which an attempt uses one of the task's retries, unless it is marked as uncounted. */
const SPENDING = new Set(['failed', 'timed_out', 'lost'])
/** After these nothing but a retry by hand goes on. */
const FINAL = new Set(['completed', 'cancelled'])

/**
 * Numbers of attempts that somebody's retry led to, the one that is still awaited included. No record has this:
 * a retry by hand begins with all retries, so more attempts than were retried since show it.
 */
export function findManualRetries(
  task: Pick<TaskDetail, 'attempts' | 'status' | 'retryCount'>,
): ReadonlySet<number> {
  const found = new Set<number>()
  const { attempts, status, retryCount } = task
  // Since the latest retry by hand, each retry that was used is an attempt before the current one.
  let left = retryCount
  let position = status === 'pending' ? attempts.length + 1 : attempts.length
  for (; position > 1; position -= 1) {
    const before: TaskAttempt | undefined = attempts[position - 2]
    const outcome = before?.outcome ?? ''
    const isSpending = SPENDING.has(outcome) && before?.spentRetry !== false
    if (FINAL.has(outcome) || (isSpending && left === 0)) {
      found.add(numberAt(attempts, position))
      // How many were used before it is not known.
      left = Number.POSITIVE_INFINITY
    } else if (isSpending) left -= 1
  }
  return found
}

/** Of the attempt at a position from 1, the one that is still awaited included: a detail may lack the oldest. */
function numberAt(attempts: readonly TaskAttempt[], position: number): number {
  return attempts[position - 1]?.attempt ?? numberOfNext(attempts)
}

export function numberOfNext(attempts: readonly TaskAttempt[]): number {
  return (attempts.at(-1)?.attempt ?? 0) + 1
}
