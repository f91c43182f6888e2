import type { Database } from '../../../db/database.ts'
import { PermanentError, TaskError } from '../../definition/errors.ts'
import { type AttemptOutcome, LAST_ATTEMPT } from '../../definition/lifecycle.ts'
import {
  type AbortCause,
  type AttemptLimits,
  classify,
  type HandlerEnd,
  type Outcome,
  timeoutText,
} from '../../definition/outcome.ts'
import { anyParams, restoreParams } from '../../definition/params.ts'
import type { Redaction } from '../../definition/redaction.ts'
import { backoffDelayMs, completeBackoff, policyDelayMs } from '../../definition/retry-policy.ts'
import type { Scrubber } from '../../definition/scrubber.ts'
import type { TaskDefinition } from '../../definition/task.ts'
import { isInstance, readThrown } from '../../definition/thrown.ts'
import type { TaskManager } from '../../manager/manager.ts'
import type { RunEvent, TaskEvents } from '../../runtime/events.ts'
import { GaveUp, type Persisted, persist } from '../../runtime/persist.ts'
import { endCancelledRun } from '../../store/cancel-requests.ts'
import type { ClaimedTask } from '../../store/claim.ts'
import type { Fence } from '../../store/fence.ts'
import { failTask, findEnd, noteHandlerReturned, releaseTask, retryTaskLater } from '../../store/finish.ts'
import type { ThreadPool } from '../thread/thread-pool.ts'
import type { Completions } from '../writers/completions.ts'
import type { LogBuffer } from '../writers/log-buffer.ts'
import type { ProgressBuffer } from '../writers/progress-buffer.ts'
import { AttemptOutput } from './attempt-output.ts'
import { abortReason, Cancellation } from './cancellation.ts'
import { Completion } from './completion.ts'
import { encodeResult } from './result.ts'
import { type RunningTask, runningTask } from './running-task.ts'
import { AttemptContext } from './task-context.ts'

/** A longer timer would fire at once. */
const MAX_TIMER_MS = 2_147_483_647

const TOO_MANY_ATTEMPTS = `TOO_MANY_ATTEMPTS: an attempt after number ${LAST_ATTEMPT} has no fence of its own`

export interface AttemptServices {
  readonly db: Database
  readonly manager: TaskManager
  readonly threads: ThreadPool
  readonly events: TaskEvents
  readonly logs: LogBuffer
  readonly progress: ProgressBuffer
  readonly completions: Completions
  readonly giveUp: AbortSignal
  readonly cancelGraceMs: number
  readonly retryBaseMs: number
  readonly maxResultBytes: number
  readonly redaction: Redaction
  /** A retry that this executor has written is due after `delayMs`. */
  onRetryDue(taskType: string, delayMs: number): void
}

/**
 * One attempt: parse params → run the handler → classify → write the outcome → emit. Every write carries the fence.
 * A timeout leaves the row running until the handler returns or the grace period ends, so that no retry overlaps it.
 */
export class Attempt {
  readonly task: ClaimedTask
  readonly fence: Fence
  readonly event: RunEvent
  readonly #definition: TaskDefinition
  readonly #services: AttemptServices
  readonly #cancellation = new Cancellation()
  readonly #output: AttemptOutput
  readonly #scrubber: Scrubber | undefined
  readonly #completion: Completion
  readonly #startedAt = performance.now()
  #cause: AbortCause | undefined
  #returned = false
  #stuck = false
  #timeout: NodeJS.Timeout | undefined
  #grace: NodeJS.Timeout | undefined
  /** The write that fails a timed-out task whose handler does not return. */
  #overdue: Promise<void> | undefined
  #ended: Promise<void> | undefined
  /** The task was released while its handler still ran. */
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
    const run = { fence: this.fence, event: this.event, cancellation: this.#cancellation }
    this.#output = new AttemptOutput(run, services, this.#scrubber)
    this.#completion = new Completion(run, this.#output, services.maxResultBytes)
  }

  /** The handler has ignored its signal for the whole grace period. */
  get stuck(): boolean {
    return this.#stuck
  }

  get isSilent(): boolean {
    return this.#output.isSilent
  }

  /** Calls `onReturned` once the handler has returned; resolves once the outcome is written, or cannot be. */
  run(onReturned: () => void): Promise<void> {
    this.#ended = this.#run(onReturned)
    return this.#ended
  }

  /** Ends the attempt whatever throws: its row must not stay running. */
  async #run(onReturned: () => void): Promise<void> {
    this.#services.events.emit('started', this.event)
    const timeoutMs = Math.min(Math.max(1, this.task.timeoutSeconds * 1_000), MAX_TIMER_MS)
    this.#timeout = setTimeout(() => this.abort('timeout'), timeoutMs)
    const end = await this.#execute()
    this.#returned = true
    clearTimeout(this.#timeout)
    clearTimeout(this.#grace)
    try {
      this.#output.close()
      onReturned()
      await this.#overdue
      if (this.#completion.attempted) await this.#recordCompletion(end)
      else await this.#record(this.#classify(end))
    } catch (refused) {
      await this.#recordRefused(refused)
    }
  }

  /** Aborts the handler's signal. The first cause wins; after the handler's return there is nothing to abort. */
  abort(cause: AbortCause): void {
    if (this.#cause !== undefined || this.#returned) return
    this.#cause = cause
    // At a stop, late output is not the handler's fault.
    if (cause === 'shutdown') this.#output.suppressLate()
    clearTimeout(this.#timeout)
    const { cancelGraceMs } = this.#services
    this.#grace = setTimeout(() => this.#graceIsOver(cause), cancelGraceMs)
    // An error that a handler's abort listener throws is reported as this task's.
    runningTask.run(this.#running, () => this.#cancellation.abort(abortReason(cause, this.task)))
  }

  /** The database lost this claim and made another with the same fence. This attempt is lost; it ends by releasing that. */
  noteClaimedAgain(): void {
    this.#isClaimedAgain = true
    this.abort('lost')
    if (this.#stuck) this.#releaseClaim()
  }

  /** Writes no outcome any more: the executor releases the task. False: the handler has returned, its outcome stands. */
  leave(): boolean {
    if (this.#returned) return false
    this.#released = true
    clearTimeout(this.#grace)
    return true
  }

  /** Releases the task, due after `delayMs`, while its handler still runs; after its return, waits for the outcome. */
  async release(delayMs: number): Promise<void> {
    if (!this.#released && !this.leave()) return this.#ended
    const { db } = this.#services
    await this.#persist('a release', () => releaseTask(db, this.fence, delayMs))
  }

  async #execute(): Promise<HandlerEnd> {
    // Cancelled while its claim was in flight.
    if (this.#cancellation.aborted) return { thrown: this.#cancellation.signal.reason }
    try {
      if (this.fence.attempt >= LAST_ATTEMPT) throw new PermanentError(TOO_MANY_ATTEMPTS)
      const params = await this.#parseParams()
      const result = await runningTask.run(this.#running, () => this.#runHandler(params))
      const warn = (line: string) => this.#output.log.warn(line)
      return { returned: encodeResult(result, this.#services.maxResultBytes, warn) }
    } catch (thrown) {
      if (this.#cause === undefined) {
        this.#services.events.emit('threw', { ...this.event, error: this.#scrubbed(thrown) })
      }
      return { thrown }
    }
  }

  #runHandler(params: Record<string, unknown>): unknown {
    const { handler, options } = this.#definition
    const { manager, threads, maxResultBytes } = this.#services
    const [cancellation, output, completion] = [this.#cancellation, this.#output, this.#completion]
    const context = new AttemptContext(this.task, { manager, cancellation, output, completion })
    const { module } = options
    if (!module) return handler(params, context)
    const hidden = this.#scrubber?.hidden
    const { fence } = this
    return threads.run({ module, params, context, fence, maxResultBytes, hidden, output, completion })
  }

  async #parseParams(): Promise<Record<string, unknown>> {
    const { type, options } = this.#definition
    try {
      return await restoreParams(type, options.params ?? anyParams, this.task.params)
    } catch (error) {
      if (!isInstance(error, TaskError)) throw error
      throw new PermanentError(`${error.code}: ${error.message}`)
    }
  }

  #classify(end: HandlerEnd, limits = this.#limits): Outcome {
    const outcome = classify(end, this.#cause, limits)
    return outcome.kind === 'abandon' && this.#isClaimedAgain ? { kind: 'release' } : outcome
  }

  async #record(outcome: Outcome): Promise<void> {
    if (this.#released) return
    if (!this.#output.isSilent) await this.#output.flushed({ progress: outcome.kind === 'fail' })
    if (outcome.kind !== 'abandon') {
      if (await this.#isWritten(outcome)) return this.#announce(outcome)
      const what = outcome.kind === 'complete' ? 'completion' : 'failure'
      this.#services.events.emit('late', { ...this.event, what })
    }
    await this.#noteReturn()
  }

  /** Records that the handler of an ended task has returned: only now may the task be retried. */
  async #noteReturn(): Promise<void> {
    const { db } = this.#services
    if (this.#cause === 'cancelled') return this.#endCancelled()
    await this.#persist('the return of a handler', () => noteHandlerReturned(db, this.fence))
  }

  /** An open transaction may have locked the row when the cancel was requested. */
  async #endCancelled(): Promise<void> {
    const { db, events } = this.#services
    const { value } = await this.#persist('a cancel', () => endCancelledRun(db, this.fence))
    if (value) events.emit('cancelled', { taskId: this.task.taskId, attempt: this.fence.attempt })
  }

  /** After `ctx.complete`, only the database knows whether its transaction committed. */
  async #recordCompletion(end: HandlerEnd): Promise<void> {
    await this.#output.flushed({ progress: false })
    const written = await this.#persist('a lookup of the outcome', () =>
      findEnd(this.#services.db, this.fence),
    )
    if (written.value === 'completed') {
      await this.#noteReturn()
      return this.#announce({ kind: 'complete', result: null })
    }
    const rolledBack = new TaskError(
      'COMPLETION_ROLLED_BACK',
      'the transaction that completed the task was rolled back',
    )
    await this.#record(this.#classify('thrown' in end ? end : { thrown: rolledBack }))
  }

  async #isWritten(outcome: Exclude<Outcome, { kind: 'abandon' }>): Promise<boolean> {
    const { value: written, retried } = await this.#persist(outcome.kind, () => this.#write(outcome))
    if (written || !retried) return written
    // An earlier try, whose response was lost, may have written it.
    const end = await this.#persist('a lookup of the outcome', () => findEnd(this.#services.db, this.fence))
    return end.value === attemptOutcome(outcome)
  }

  #write(outcome: Exclude<Outcome, { kind: 'abandon' }>): Promise<boolean> {
    const { db } = this.#services
    switch (outcome.kind) {
      case 'complete':
        return this.#services.completions.complete({
          id: this.task.id,
          taskId: this.task.taskId,
          attempt: this.fence.attempt,
          result: outcome.result,
          last: this.#output.lastProgress,
        })
      case 'retry':
        return retryTaskLater(db, this.fence, { ...outcome, outcome: outcome.as })
      case 'fail':
        return failTask(db, this.fence, { ...outcome, outcome: outcome.as, stillRunning: false })
      case 'release':
        return releaseTask(db, this.fence, 0)
    }
  }

  #announce(outcome: Outcome): void {
    if (outcome.kind === 'retry') this.#services.onRetryDue(this.task.taskType, outcome.delayMs)
    this.#services.events.emit('ended', {
      ...this.event,
      outcome: attemptOutcome(outcome),
      durationMs: performance.now() - this.#startedAt,
      ...('error' in outcome ? { error: outcome.error } : {}),
      ...(outcome.kind === 'retry' ? { retryInMs: outcome.delayMs } : {}),
    })
  }

  /** The outcome could not be classified, or the database refused it: fails the attempt instead. */
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
      if (await this.#isWritten(outcome)) this.#announce(outcome)
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
  }

  #releaseClaim(): void {
    this.release(0).catch((error: unknown) => {
      this.#services.events.emit('writeFailed', { what: `the release of ${this.task.taskId}`, error })
    })
  }

  async #failOverdue(): Promise<void> {
    const { db, events } = this.#services
    const error = `${timeoutText(this.task.timeoutSeconds)}, and its handler did not return`
    const failure = { error, stack: null, outcome: 'timed_out', stillRunning: true }
    try {
      await this.#output.flushed({ progress: true })
      const written = await this.#persist('a timeout', () => failTask(db, this.fence, failure))
      if (written.value) this.#announce({ kind: 'fail', ...failure, as: 'timed_out' })
    } catch (refused) {
      events.emit('writeFailed', { what: `the timeout of ${this.task.taskId}`, error: refused })
    }
  }

  #persist<T>(what: string, write: () => Promise<T>): Promise<Persisted<T>> {
    return persist(what, write, { events: this.#services.events, giveUp: this.#services.giveUp })
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

function attemptOutcome(outcome: Outcome): AttemptOutcome {
  if (outcome.kind === 'complete') return 'completed'
  if (outcome.kind === 'release') return 'interrupted'
  return outcome.kind === 'abandon' ? 'lost' : outcome.as
}
