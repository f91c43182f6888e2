import { hasAttemptSubscribers, publishAttemptEnd, runAttempt } from '../../runtime/diagnostics.ts'
import type { AttemptEnd, RunEvent } from '../../runtime/events.ts'

/** One attempt as the subscribers of `diagnostics_channel` see it: one start and exactly one end. */
export class ObservedAttempt {
  readonly #event: RunEvent
  readonly #startedAt = performance.now()
  #hasEnded = false

  constructor(event: RunEvent) {
    this.#event = event
  }

  run<T>(work: () => T): T {
    return runAttempt({ ...this.#event }, work)
  }

  /** The first call counts: a handler may return long after its outcome was written. */
  end({ outcome, error, retryInMs }: Omit<AttemptEnd, 'durationMs' | 'readResult'>): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    publishAttemptEnd({
      ...this.#event,
      outcome,
      durationMs: performance.now() - this.#startedAt,
      ...(error === undefined ? {} : { error }),
      ...(retryInMs === undefined ? {} : { retryInMs }),
    })
  }
}

/** Undefined, at the cost of a comparison, where nobody subscribes. */
export function observeAttempt(event: RunEvent): ObservedAttempt | undefined {
  return hasAttemptSubscribers() ? new ObservedAttempt(event) : undefined
}
