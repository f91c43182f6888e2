import { hasAttemptSubscribers, publishAttemptEnd, runAttempt } from '../../runtime/diagnostics.ts'
import type { AttemptEnd, RunEvent } from '../../runtime/events.ts'
import type { AttemptSpan, Tracing } from '../../runtime/tracing.ts'
import type { ClaimedTask } from '../../store/claim.ts'

/** One attempt for subscribers of `diagnostics_channel` and for the tracer: one start and exactly one end. */
export class ObservedAttempt {
  readonly #event: RunEvent
  readonly #startedAt = performance.now()
  readonly #span: AttemptSpan | undefined
  #thrown: { readonly error: unknown } | undefined
  #hasEnded = false

  constructor(event: RunEvent, span: AttemptSpan | undefined) {
    this.#event = event
    this.#span = span
  }

  run<T>(work: () => T): T {
    const observed = () => runAttempt({ ...this.#event }, work)
    return this.#span ? this.#span.run(observed) : observed()
  }

  /** For the span: the outcome has only a text. Without secrets. */
  noteThrown(error: unknown): void {
    this.#thrown = { error }
  }

  /** The first call counts: a handler may return long after its outcome was written. */
  end({ outcome, error, retryInMs, wakesInMs }: Omit<AttemptEnd, 'durationMs' | 'readResult'>): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#span?.end({
      outcome,
      ...(error === undefined ? {} : { error }),
      ...(this.#thrown && { thrown: this.#thrown.error }),
    })
    publishAttemptEnd({
      ...this.#event,
      outcome,
      durationMs: performance.now() - this.#startedAt,
      ...(error === undefined ? {} : { error }),
      ...(retryInMs === undefined ? {} : { retryInMs }),
      ...(wakesInMs === undefined ? {} : { wakesInMs }),
    })
  }
}

/** Undefined, at the cost of a comparison, without subscribers and tracing. */
export function observeAttempt(
  event: RunEvent,
  task: ClaimedTask,
  tracing: Tracing | undefined,
): ObservedAttempt | undefined {
  if (!tracing && !hasAttemptSubscribers()) return undefined
  return new ObservedAttempt(event, tracing?.startAttempt(task))
}
