import type { Due } from '../../definition/steps.ts'
import type { Fence } from '../../store/fence.ts'

export type BegunStep =
  | { readonly isFinished: true; readonly result: string | null }
  | { readonly isFinished: false }

/** What a run of steps needs of its attempt: in the same thread, or over the messages of another. */
export interface StepPort {
  readonly fence: Fence
  readonly responseTimeoutMs: number
  /** Name of the schema of the tables. */
  readonly schema: string
  /** @throws TaskError `TASK_LOST` once the signal has aborted */
  requireHeld(): void
  /**
   * Uses up the name. @throws TaskError `INVALID_ARGUMENT` for a name that was used, `TASK_LOST`, `TOO_MANY_STEPS`;
   * Suspended once a sleep has suspended the run
   */
  begin(name: string): Promise<BegunStep>
  /** The step has thrown: it leaves nothing behind. */
  abandon(name: string): void
  /** Resolves once it is durable. @throws TaskError `TASK_LOST` */
  finish(name: string, result: string | null, durationMs: number): Promise<void>
  /** Whether a transaction without a response has committed the step. @throws TaskError `TASK_LOST` */
  isCommitted(name: string): Promise<boolean>
  /**
   * Resolves to whether the sleep is over; it is not if it cannot begin, as without an end. @throws Suspended if it begins
   */
  sleep(name: string, until: Due | undefined): Promise<boolean>
  /** @throws PermanentError if it is not JSON or too large */
  encode(result: unknown, step: string): string | null
}
