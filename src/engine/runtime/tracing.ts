import type { CreatedTask } from '../definition/create-options.ts'
import type { AttemptOutcome } from '../definition/lifecycle.ts'
import type { ClaimedTask } from '../store/claim.ts'
import type { NewTask } from '../store/insert.ts'

/** What the engine asks of a tracer. An engine without one sends and keeps nothing more than before. */
export interface Tracing {
  /**
   * Inserts within a span; what `insert` gets has that span's context, or null where it is not valid. `hide` takes the
   * secrets from an error of `insert`.
   */
  create(
    task: NewTask,
    insert: (traced: NewTask) => Promise<CreatedTask>,
    hide: (error: unknown) => unknown,
  ): Promise<CreatedTask>
  /** The same with one span for all. */
  createAll(
    tasks: readonly NewTask[],
    insert: (traced: readonly NewTask[]) => Promise<CreatedTask[]>,
    hide: (error: unknown) => unknown,
  ): Promise<CreatedTask[]>
  startAttempt(task: ClaimedTask): AttemptSpan
}

export interface AttemptSpan {
  /** Spans that `work` starts, now or in its promises, are children of this one. */
  run<T>(work: () => T): T
  /** `thrown`: without secrets. Absent unless the handler threw. */
  end(end: { readonly outcome: AttemptOutcome; readonly error?: string; readonly thrown?: unknown }): void
}
