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
  #attempted = false

  constructor(
    run: { fence: Fence; cancellation: Cancellation },
    output: AttemptOutput,
    maxResultBytes: number,
  ) {
    this.#fence = run.fence
    this.#cancellation = run.cancellation
    this.#output = output
    this.#maxResultBytes = maxResultBytes
  }

  /** The transaction may not commit. */
  get attempted(): boolean {
    return this.#attempted
  }

  async guard(tx: Transaction): Promise<void> {
    if (this.#cancellation.aborted || !(await guardFence(tx, this.#fence))) throw taskLost(this.#fence)
  }

  async complete(tx: Transaction, result: unknown): Promise<void> {
    const text = encodeResult(result, this.#maxResultBytes, (line) => this.#output.log.warn(line))
    // The log must be complete when the outcome is visible.
    await this.#output.flushed({ progress: false })
    if (this.#cancellation.aborted) throw taskLost(this.#fence)
    const last = this.#output.lastProgress
    if (!(await completeInTransaction(tx, this.#fence, text, last))) throw taskLost(this.#fence)
    this.#attempted = true
  }

  noteAttempt(): void {
    this.#attempted = true
  }
}
