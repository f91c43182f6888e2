import { TaskError } from '../../definition/errors.ts'
import {
  type AbortCause,
  type AttemptLimits,
  classify,
  type HandlerEnd,
  type Outcome,
  timeoutText,
} from '../../definition/outcome.ts'
import type { Redaction } from '../../definition/redaction.ts'
import { backoffDelayMs, completeBackoff, policyDelayMs } from '../../definition/retry-policy.ts'
import type { Scrubber } from '../../definition/scrubber.ts'
import type { TaskDefinition } from '../../definition/task.ts'
import { readThrown } from '../../definition/thrown.ts'
import type { RunEvent } from '../../runtime/events.ts'
import { GaveUp } from '../../runtime/persist.ts'
import type { Tracing } from '../../runtime/tracing.ts'
import { type ClaimedTask, waitOf } from '../../store/claim.ts'
import type { Fence } from '../../store/fence.ts'
import { LazySteps } from '../steps/lazy-steps.ts'
import type { JournalServices } from '../steps/step-journal.ts'
import type { LogBuffer } from '../writers/log-buffer.ts'
import type { ProgressBuffer } from '../writers/progress-buffer.ts'
import { AttemptOutput } from './attempt-output.ts'
import { abortReason, Cancellation } from './cancellation.ts'
import { type ObservedAttempt, observeAttempt } from './observed-attempt.ts'
import { type OutcomeServices, OutcomeWriter } from './outcome-writer.ts'
import { type HandlerServices, runHandler } from './run-handler.ts'
import { type RunningTask, runningTask } from './running-task.ts'
import { TransactionalCompletion } from './transactional-completion.ts'

/** A longer timer would fire at once. */
const MAX_TIMER_MS = 2_147_483_647

export interface AttemptServices extends OutcomeServices, HandlerServices, JournalServices {
  readonly logs: LogBuffer
  readonly progress: ProgressBuffer
  readonly cancelGraceMs: number
  readonly retryBaseMs: number
  readonly redaction: Redaction
  readonly tracing: Tracing | undefined
}

/**
 * One attempt: parse params → run the handler → classify → write the outcome → emit. Every write carries the fence.
 * After a timeout the row stays running until the handler returns or its grace ends, so that no retry overlaps it.
 */
export class Attempt {
  readonly task: ClaimedTask
  readonly fence: Fence
  readonly event: RunEvent
  /** As `performance.now()` counts. */
  readonly startedAt = performance.now()
  readonly observed: ObservedAttempt | undefined
  readonly #definition: TaskDefinition
  readonly #services: AttemptServices
  readonly #cancellation = new Cancellation()
  readonly #output: AttemptOutput
  readonly #scrubber: Scrubber | undefined
  readonly #completion: TransactionalCompletion
  readonly #writer: OutcomeWriter
  readonly #steps: LazySteps
  #cause: AbortCause | undefined
  hasReturned = false
  #stuck = false
  #timeout: NodeJS.Timeout | undefined
  #grace: NodeJS.Timeout | undefined
  /** Whether its row has failed while its handler still ran. */
  #overdue: Promise<boolean> | undefined
  ended = Promise.resolve()
  #released = false
  /** A later claim has the same fence. */
  #isClaimedAgain = false

  constructor(task: ClaimedTask, definition: TaskDefinition, executorId: string, services: AttemptServices) {
    this.task = task
    this.fence = { taskId: task.taskId, attempt: task.attempt, executorId }
    this.#definition = definition
    this.#services = services
    this.#scrubber = services.redaction.scrubberFor(task.taskType, task.params)
    this.event = { taskId: task.taskId, taskType: task.taskType, attempt: task.attempt }
    this.observed = observeAttempt(this.event, task, services.tracing)
    const run = { fence: this.fence, event: this.event, cancellation: this.#cancellation }
    this.#output = new AttemptOutput(run, services, this.#scrubber)
    this.#steps = new LazySteps({ id: task.id, ...run }, this.#output, services)
    this.#completion = new TransactionalCompletion({ ...run, steps: this.#steps }, this.#output, services)
    this.#writer = new OutcomeWriter(this, this.#output, services, this.#scrubber)
  }

  get stuck(): boolean {
    return this.#stuck
  }

  get isSilent(): boolean {
    return this.#output.isSilent
  }

  /** Calls `onReturned` once the handler has returned; resolves once the outcome is written, or cannot be. */
  run(onReturned: () => void): Promise<void> {
    this.ended = this.#run(onReturned)
    return this.ended
  }

  /** Ends the attempt even if a step of it throws: its row must not stay running. */
  async #run(onReturned: () => void): Promise<void> {
    this.#services.events.emit('started', { ...this.event, waitedMs: waitOf(this.task) })
    const timeoutMs = Math.min(Math.max(1, this.task.timeoutSeconds * 1_000), MAX_TIMER_MS)
    this.#timeout = setTimeout(() => this.abort('timeout'), timeoutMs)
    const end = await this.#execute()
    this.hasReturned = true
    clearTimeout(this.#timeout)
    clearTimeout(this.#grace)
    try {
      this.#output.close()
      onReturned()
      if (await this.#overdue) await this.#noteReturn()
      else if (this.#completion.attempted) await this.#recordCompletion(end)
      else await this.#record(this.#classify(end))
    } catch (refused) {
      await this.#recordRefused(refused)
    }
    this.#endWithoutOutcome()
  }

  /** The first cause wins. */
  abort(cause: AbortCause): void {
    if (this.#cause !== undefined || this.hasReturned) return
    this.#cause = cause
    // At a stop, late output is not the handler's fault.
    if (cause === 'shutdown') this.#output.suppressLate()
    clearTimeout(this.#timeout)
    const { cancelGraceMs } = this.#services
    this.#grace = setTimeout(() => this.#graceIsOver(cause), cancelGraceMs)
    // Errors of the handler's abort listeners are reported as this task's.
    runningTask.run(this.#running, () => this.#cancellation.abort(abortReason(cause, this.task)))
  }

  /** A failover lost this claim, and another claim has the same fence: aborts, and ends by releasing that claim. */
  noteClaimedAgain(): void {
    this.#isClaimedAgain = true
    this.abort('lost')
    if (this.#stuck) this.#releaseClaim()
  }

  /** Leaves the release to the executor. Returns false if the handler has returned. */
  leave(): boolean {
    if (this.hasReturned) return false
    this.#released = true
    clearTimeout(this.#grace)
    this.observed?.end({ outcome: 'interrupted' })
    return true
  }

  /** After the handler's return, waits for the outcome instead. */
  async release(delayMs: number): Promise<void> {
    if (!this.#released && !this.leave()) return this.ended
    await this.#writer.release(delayMs)
  }

  async #execute(): Promise<HandlerEnd> {
    const run = {
      task: this.task,
      fence: this.fence,
      definition: this.#definition,
      cancellation: this.#cancellation,
      output: this.#output,
      completion: this.#completion,
      running: this.#running,
      steps: this.#steps,
    }
    const end = await (this.observed
      ? this.observed.run(() => runHandler(run, this.#services))
      : runHandler(run, this.#services))
    if (this.#steps.isUsed) await this.#steps.idle()
    this.#steps.close()
    const { suspendedBy } = this.#steps
    if (suspendedBy) return { suspended: suspendedBy }
    if ('thrown' in end && this.#cause === undefined) {
      const error = this.#scrubbed(end.thrown)
      this.#services.events.emit('threw', { ...this.event, error })
      this.observed?.noteThrown(error)
    }
    return end
  }

  #classify(end: HandlerEnd, limits = this.#limits): Outcome {
    const outcome = classify(end, this.#cause, limits)
    return outcome.kind === 'abandon' && this.#isClaimedAgain ? { kind: 'release' } : outcome
  }

  async #record(outcome: Outcome): Promise<void> {
    if (this.#released) return
    const isShown = outcome.kind === 'fail' || outcome.kind === 'sleep'
    if (!this.#output.isSilent) await this.#output.flushed({ progress: isShown })
    if (outcome.kind !== 'abandon') {
      if (await this.#writer.write(outcome)) return
      const what = outcome.kind === 'complete' ? 'completion' : 'failure'
      this.#services.events.emit('late', { ...this.event, what })
    }
    await this.#noteReturn()
  }

  async #noteReturn(): Promise<void> {
    if (this.#cause === 'cancelled') await this.#writer.endCancelled()
    else await this.#writer.noteReturn()
  }

  /** After `ctx.complete`, only the database knows whether its transaction committed. */
  async #recordCompletion(end: HandlerEnd): Promise<void> {
    await this.#output.flushed({ progress: false })
    if ((await this.#writer.find()) === 'completed') {
      await this.#noteReturn()
      return this.#writer.announceCompletion()
    }
    const rolledBack = new TaskError(
      'COMPLETION_ROLLED_BACK',
      'the transaction that completed the task was rolled back',
    )
    await this.#record(this.#classify('returned' in end ? { thrown: rolledBack } : end))
  }

  /** The outcome could not be classified, or its write was refused: fails the attempt instead. */
  async #recordRefused(refused: unknown): Promise<void> {
    const { events, retryBaseMs } = this.#services
    events.emit('writeFailed', { what: `the end of ${this.task.taskId}`, error: this.#scrubbed(refused) })
    if (refused instanceof GaveUp || this.#released) return
    // Not the type's policy, which may have thrown.
    const retryDelayMs = (retry: number) => backoffDelayMs(completeBackoff({}, retryBaseMs), retry)
    const end = { thrown: 'its end could not be written down' }
    const outcome = this.#classify(end, { ...this.#limits, retryDelayMs })
    if (outcome.kind === 'abandon') return
    try {
      await this.#writer.write(outcome)
    } catch (again) {
      events.emit('writeFailed', { what: `the failure of ${this.task.taskId}`, error: this.#scrubbed(again) })
    }
  }

  #graceIsOver(cause: AbortCause): void {
    const { cancelGraceMs, events } = this.#services
    this.#stuck = true
    events.emit('stuck', { ...this.event, forMs: cancelGraceMs })
    if (cause === 'timeout') this.#overdue = this.#failOverdue()
    else if (this.#isClaimedAgain) this.#releaseClaim()
    else if (cause !== 'shutdown') this.#endWithoutOutcome()
  }

  /** No outcome was written here: the attempt was cancelled, is released by a stop, or is no longer this executor's. */
  #endWithoutOutcome(): void {
    const cause = this.#cause
    this.observed?.end({
      outcome: cause === 'cancelled' ? cause : cause === 'shutdown' ? 'interrupted' : 'lost',
    })
  }

  #releaseClaim(): void {
    this.release(0).catch((error: unknown) => {
      this.#services.events.emit('writeFailed', { what: `the release of ${this.task.taskId}`, error })
    })
  }

  async #failOverdue(): Promise<boolean> {
    try {
      await this.#output.flushed({ progress: true })
      return await this.#writer.failRunning(
        `${timeoutText(this.task.timeoutSeconds)}, and its handler did not return`,
      )
    } catch (error) {
      this.#services.events.emit('writeFailed', { what: `the timeout of ${this.task.taskId}`, error })
      return false
    }
  }

  #retryDelayMs(retry: number, error: unknown): number {
    const { events, retryBaseMs } = this.#services
    const { retry: policy = {}, retryBaseMs: baseMs = retryBaseMs } = this.#definition.options
    return policyDelayMs(policy, { retry, error }, baseMs, (problem) => {
      events.emit('retryPolicyFailed', { ...this.event, error: this.#scrubbed(problem) })
    })
  }

  #scrubbed(thrown: unknown): unknown {
    return this.#scrubber ? this.#scrubber.error(thrown) : thrown
  }

  get #running(): RunningTask {
    return { event: this.event, scrubber: this.#scrubber }
  }

  get #limits(): AttemptLimits {
    const { retryCount, maxRetries, timeoutSeconds } = this.task
    return {
      retryCount,
      maxRetries,
      timeoutSeconds,
      retryDelayMs: (retry, error) => this.#retryDelayMs(retry, error),
      read: (thrown) => readThrown(thrown, this.#scrubber),
    }
  }
}
