import type { AbortCause } from '../outcome.ts'
import type { ClaimedTask } from '../store/claim.ts'

const TEXTS: Record<Exclude<AbortCause, 'timeout'>, string> = {
  cancelled: 'was cancelled',
  lost: 'was taken away from this executor',
  shutdown: 'is interrupted: the server is shutting down',
}

/** What a handler finds in `signal.reason`: named as `fetch` and timers name theirs. */
export function abortReason(cause: AbortCause, task: ClaimedTask): DOMException {
  if (cause === 'timeout') {
    return new DOMException(`${task.taskId} timed out after ${task.timeoutSeconds} s`, 'TimeoutError')
  }
  return new DOMException(`${task.taskId} ${TEXTS[cause]}`, 'AbortError')
}
