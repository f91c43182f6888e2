import type { Database } from '../../../db/database.ts'
import { errorGroupOf } from '../../definition/error-groups.ts'
import type { AttemptOutcome } from '../../definition/lifecycle.ts'
import type { Outcome } from '../../definition/outcome.ts'
import type { Scrubber } from '../../definition/scrubber.ts'
import { capAttempts } from '../../maintenance/attempt-cap.ts'
import type { AttemptEnd, RunEvent, TaskEvents } from '../../runtime/events.ts'
import { emitFollowUps } from '../../runtime/follow-ups.ts'
import { type Persisted, persist } from '../../runtime/persist.ts'
import { endCancelledRun } from '../../store/cancel-requests.ts'
import type { ClaimedTask } from '../../store/claim.ts'
import type { Fence } from '../../store/fence.ts'
import { failTask, findEnd, noteHandlerReturned, releaseTask, retryTaskLater } from '../../store/finish.ts'
import type { FollowUp } from '../../store/follow-ups.ts'
import { sleepTask } from '../../store/steps.ts'
import type { Completions } from '../writers/completions.ts'
import type { AttemptOutput } from './attempt-output.ts'
import type { ObservedAttempt } from './observed-attempt.ts'
import { showResult } from './result.ts'

export interface OutcomeServices {
  readonly db: Database
  readonly events: TaskEvents
  readonly completions: Completions
  readonly giveUp: AbortSignal
}

type WrittenOutcome = Exclude<Outcome, { kind: 'abandon' }>

/** Writes the outcome of one attempt, under its fence and through outages, and emits `ended`. */
export class OutcomeWriter {
  readonly #task: ClaimedTask
  readonly #fence: Fence
  readonly #event: RunEvent
  readonly #observed: ObservedAttempt | undefined
  readonly #output: AttemptOutput
  readonly #services: OutcomeServices
  readonly #scrubber: Scrubber | undefined
  readonly #startedAt: number
  #nextDueAt: number | undefined
  /** Created by the write that failed the task. */
  #followUp: FollowUp | undefined

  constructor(
    run: {
      task: ClaimedTask
      fence: Fence
      event: RunEvent
      startedAt: number
      observed: ObservedAttempt | undefined
    },
    output: AttemptOutput,
    services: OutcomeServices,
    scrubber: Scrubber | undefined,
  ) {
    this.#task = run.task
    this.#fence = run.fence
    this.#event = run.event
    this.#startedAt = run.startedAt
    this.#observed = run.observed
    this.#output = output
    this.#services = services
    this.#scrubber = scrubber
  }

  /** Returns false if the fence does not hold. */
  async write(outcome: WrittenOutcome): Promise<boolean> {
    const isWritten = await this.#isWritten(outcome.kind, () => this.#send(outcome), attemptOutcome(outcome))
    if (isWritten) {
      this.#announce(outcome)
      await capAttempts(this.#services, this.#fence)
    }
    return isWritten
  }

  /** Returns false if the fence does not hold. */
  async failRunning(error: string): Promise<boolean> {
    const failure = { error, stack: null, outcome: 'timed_out', stillRunning: true }
    const isWritten = await this.#isWritten('a timeout', () => this.#fail(failure), 'timed_out')
    if (isWritten) this.#announce({ kind: 'fail', ...failure, as: 'timed_out' })
    return isWritten
  }

  async release(delayMs: number): Promise<void> {
    await this.#persist('a release', () => releaseTask(this.#services.db, this.#fence, delayMs))
  }

  /** Records that the handler of an ended task has returned: only now may the task be retried. */
  async noteReturn(): Promise<void> {
    const { db } = this.#services
    await this.#persist('the return of a handler', () => noteHandlerReturned(db, this.#fence))
  }

  /** An open transaction may have locked the row when the cancel was requested. */
  async endCancelled(): Promise<void> {
    const { db, events } = this.#services
    const { value } = await this.#persist('a cancel', () => endCancelledRun(db, this.#fence))
    if (value) events.emit('cancelled', this.#event)
  }

  async find(): Promise<string | undefined> {
    const { db } = this.#services
    return (await this.#persist('a lookup of the outcome', () => findEnd(db, this.#fence))).value
  }

  /** For a completion that a transaction of the handler's has written. */
  announceCompletion(): void {
    this.#emitEnded({ outcome: 'completed' })
  }

  #announce(outcome: WrittenOutcome): void {
    const dueInMs = delayOf(outcome)
    this.#emitEnded({
      outcome: attemptOutcome(outcome),
      ...('error' in outcome ? { error: outcome.error } : {}),
      ...(outcome.kind === 'retry' ? { retryInMs: outcome.delayMs } : {}),
      ...(outcome.kind === 'sleep' && dueInMs !== undefined ? { wakesInMs: dueInMs } : {}),
      ...(outcome.kind === 'complete'
        ? { readResult: () => showResult(outcome.result, this.#scrubber) }
        : {}),
    })
    // Unknown if the response was lost: the claim for the slot that frees reads it.
    if (dueInMs !== undefined && this.#nextDueAt !== undefined) {
      this.#services.events.emit('delayed', { dueAt: this.#nextDueAt, inMs: dueInMs })
    }
  }

  #emitEnded(end: Omit<AttemptEnd, 'durationMs'>): void {
    const durationMs = performance.now() - this.#startedAt
    this.#services.events.emit('ended', { ...this.#event, ...end, durationMs })
    this.#observed?.end(end)
    if (this.#followUp) emitFollowUps(this.#services.events, [{ followUp: this.#followUp }])
  }

  #send(outcome: WrittenOutcome): Promise<boolean> {
    const { db, completions } = this.#services
    switch (outcome.kind) {
      case 'complete':
        return completions.complete({
          id: this.#task.id,
          taskId: this.#task.taskId,
          attempt: this.#fence.attempt,
          result: outcome.result,
          last: this.#output.lastProgress,
        })
      case 'retry':
        return this.#delay(retryTaskLater(db, this.#fence, { ...outcome, outcome: outcome.as }))
      case 'fail':
        return this.#fail({ ...outcome, outcome: outcome.as, stillRunning: false })
      case 'release':
        return releaseTask(db, this.#fence, 0)
      case 'sleep':
        return this.#delay(sleepTask(db, this.#fence, outcome.sleep))
    }
  }

  async #delay(written: Promise<number | undefined>): Promise<boolean> {
    this.#nextDueAt = await written
    return this.#nextDueAt !== undefined
  }

  async #fail(failure: Omit<Parameters<typeof failTask>[2], 'errorGroup'>): Promise<boolean> {
    const errorGroup = errorGroupOf(this.#task.taskType, failure.error)
    const { written, followUp } = await failTask(this.#services.db, this.#fence, { ...failure, errorGroup })
    this.#followUp = followUp
    return written
  }

  async #isWritten(what: string, write: () => Promise<boolean>, outcome: AttemptOutcome): Promise<boolean> {
    const { value, retried } = await this.#persist(what, write)
    // An earlier try, whose response was lost, may have written it.
    return value || (retried && (await this.find()) === outcome)
  }

  #persist<T>(what: string, write: () => Promise<T>): Promise<Persisted<T>> {
    return persist(what, write, this.#services)
  }
}

function attemptOutcome(outcome: WrittenOutcome): AttemptOutcome {
  if (outcome.kind === 'complete') return 'completed'
  if (outcome.kind === 'sleep') return 'sleeping'
  return outcome.kind === 'release' ? 'interrupted' : outcome.as
}

/** Milliseconds until the next attempt is due; undefined: there is none, or it is due at once. */
function delayOf(outcome: WrittenOutcome): number | undefined {
  if (outcome.kind === 'retry') return outcome.delayMs
  if (outcome.kind !== 'sleep') return undefined
  const { until } = outcome.sleep
  return 'delayMs' in until ? until.delayMs : Math.max(0, Date.parse(until.at) - Date.now())
}
