import type { Database } from '../../../db/database.ts'
import type { EngineSchema } from '../../../db/engine-schema.ts'
import type { Transaction } from '../../../db/query-runner.ts'
import { taskLost } from '../../definition/errors.ts'
import { Suspended } from '../../definition/steps.ts'
import type { Fence } from '../../store/fence.ts'
import type { LastProgress } from '../../store/finish.ts'
import { completeInTransaction, guardFence } from '../../store/guard.ts'
import type { LazySteps } from '../steps/lazy-steps.ts'
import type { AttemptOutput } from './attempt-output.ts'
import type { Cancellation } from './cancellation.ts'
import { encodeResult } from './result.ts'

/** `ctx.guard` and `ctx.complete`: fence check and completion in the handler's transactions, which may roll back. */
export class TransactionalCompletion {
  readonly #fence: Fence
  readonly #cancellation: Cancellation
  readonly #steps: Pick<LazySteps, 'suspendedBy'>
  readonly #output: AttemptOutput
  readonly #maxResultBytes: number
  readonly #schema: EngineSchema
  #attempted = false

  constructor(
    run: { fence: Fence; cancellation: Cancellation; steps: Pick<LazySteps, 'suspendedBy'> },
    output: AttemptOutput,
    { db, maxResultBytes }: { readonly db: Database; readonly maxResultBytes: number },
  ) {
    this.#fence = run.fence
    this.#cancellation = run.cancellation
    this.#steps = run.steps
    this.#output = output
    this.#maxResultBytes = maxResultBytes
    this.#schema = db.schema
  }

  /** The transaction may not commit. */
  get attempted(): boolean {
    return this.#attempted
  }

  async guard(tx: Transaction): Promise<void> {
    const on = { tx, schema: this.#schema }
    if (this.#cancellation.aborted || !(await guardFence(on, this.#fence))) throw taskLost(this.#fence)
  }

  async complete(tx: Transaction, result: unknown): Promise<void> {
    const text = encodeResult(result, this.#maxResultBytes, (line) => this.#output.log.warn(line))
    const last = await this.prepare()
    const on = { tx, schema: this.#schema }
    if (!(await completeInTransaction(on, this.#fence, text, last))) throw taskLost(this.#fence)
    this.#attempted = true
  }

  /** Returns the progress that a completion writes. @throws TaskError `TASK_LOST`; Suspended once the run has been */
  async prepare(): Promise<LastProgress | undefined> {
    // The log must be complete when the outcome is visible.
    await this.#output.flushed({ progress: false })
    if (this.#cancellation.aborted) throw taskLost(this.#fence)
    if (this.#steps.suspendedBy) throw new Suspended()
    return this.#output.lastProgress
  }

  noteAttempt(): void {
    this.#attempted = true
  }
}
