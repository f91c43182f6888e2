import type { Database } from '../../../db/database.ts'
import type { EngineSchema } from '../../../db/engine-schema.ts'
import type { Transaction } from '../../../db/query-runner.ts'
import { taskLost } from '../../definition/errors.ts'
import type { Fence } from '../../store/fence.ts'
import { completeInTransaction, guardFence } from '../../store/guard.ts'
import type { AttemptOutput } from './attempt-output.ts'
import type { Cancellation } from './cancellation.ts'
import { encodeResult } from './result.ts'

/** `ctx.guard` and `ctx.complete`: fence check and completion in the handler's transactions, which may roll back. */
export class TransactionalCompletion {
  readonly #fence: Fence
  readonly #cancellation: Cancellation
  readonly #output: AttemptOutput
  readonly #maxResultBytes: number
  readonly #schema: EngineSchema
  #attempted = false

  constructor(
    run: { fence: Fence; cancellation: Cancellation },
    output: AttemptOutput,
    { db, maxResultBytes }: { readonly db: Database; readonly maxResultBytes: number },
  ) {
    this.#fence = run.fence
    this.#cancellation = run.cancellation
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
    // The log must be complete when the outcome is visible.
    await this.#output.flushed({ progress: false })
    if (this.#cancellation.aborted) throw taskLost(this.#fence)
    const last = this.#output.lastProgress
    const on = { tx, schema: this.#schema }
    if (!(await completeInTransaction(on, this.#fence, text, last))) throw taskLost(this.#fence)
    this.#attempted = true
  }

  noteAttempt(): void {
    this.#attempted = true
  }
}
