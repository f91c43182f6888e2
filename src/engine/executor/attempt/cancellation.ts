import type { AbortCause } from '../../definition/outcome.ts'
import type { ClaimedTask } from '../../store/claim.ts'

const TEXTS: Record<Exclude<AbortCause, 'timeout'>, string> = {
  cancelled: 'was cancelled',
  lost: 'was taken away from this executor',
  shutdown: 'is interrupted: the server is shutting down',
}

/** Creates its signal on first use: that doubles the cost of an attempt, and few handlers need it. */
export class Cancellation {
  #controller: AbortController | undefined
  #reason: DOMException | undefined

  get aborted(): boolean {
    return this.#reason !== undefined
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController()
      if (this.#reason) this.#controller.abort(this.#reason)
    }
    return this.#controller.signal
  }

  abort(reason: DOMException): void {
    this.#reason = reason
    this.#controller?.abort(reason)
  }
}

export function abortReason(cause: AbortCause, task: ClaimedTask): DOMException {
  if (cause === 'timeout') {
    return new DOMException(`${task.taskId} timed out after ${task.timeoutSeconds} s`, 'TimeoutError')
  }
  return new DOMException(`${task.taskId} ${TEXTS[cause]}`, 'AbortError')
}
