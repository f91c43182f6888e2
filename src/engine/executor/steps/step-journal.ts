import type { Database } from '../../../db/database.ts'
import { TaskError, taskLost } from '../../definition/errors.ts'
import { type Due, invalid, MAX_STEPS, type Sleep, Suspended } from '../../definition/steps.ts'
import type { TaskEvents } from '../../runtime/events.ts'
import { persist } from '../../runtime/persist.ts'
import type { Fence } from '../../store/fence.ts'
import { type FoundStep, findCommittedStep, findStepResult, findSteps } from '../../store/steps.ts'
import type { Cancellation } from '../attempt/cancellation.ts'
import type { StepWriter } from '../writers/steps.ts'
import type { BegunStep, StepPort } from './step-port.ts'

export interface JournalServices {
  readonly db: Database
  readonly events: TaskEvents
  readonly steps: StepWriter
  readonly giveUp: AbortSignal
}

export interface JournalRun {
  /** The number of the task's row. */
  readonly id: string
  readonly fence: Fence
  readonly cancellation: Cancellation
  encode(result: unknown, step: string): string | null
}

/**
 * The steps of one attempt: which names it has used, what earlier attempts have finished, and the sleep that suspended it.
 * An attempt after the first reads the finished steps once, when its first step begins.
 */
export class StepJournal implements StepPort {
  readonly fence: Fence
  readonly encode: JournalRun['encode']
  readonly #run: JournalRun
  readonly #services: JournalServices
  readonly #used = new Set<string>()
  #finished: Promise<Map<string, FoundStep>> | undefined
  /** Finished steps and those under way. */
  #count = 0
  #sleep: Sleep | undefined
  #isClosed = false

  constructor(run: JournalRun, services: JournalServices) {
    this.fence = run.fence
    this.encode = run.encode
    this.#run = run
    this.#services = services
  }

  get schema(): string {
    return this.#services.db.schema.name
  }

  get responseTimeoutMs(): number {
    return this.#services.db.responseTimeoutMs
  }

  get suspendedBy(): Sleep | undefined {
    return this.#sleep
  }

  /** The attempt has ended: what its handler left behind begins no step. */
  close(): void {
    this.#isClosed = true
  }

  async begin(name: string): Promise<BegunStep> {
    const found = await this.#enter(name)
    if (!found) return { isFinished: false }
    const read = () => findStepResult(this.#services.db, this.fence.taskId, name)
    return {
      isFinished: true,
      result: found.isLarge ? await this.#persist('a read of a step', read) : found.result,
    }
  }

  abandon(_name: string): void {
    this.#count -= 1
  }

  async finish(name: string, result: string | null, durationMs: number): Promise<void> {
    const { taskId, attempt } = this.fence
    const step = { id: this.#run.id, taskId, attempt, name, result, durationMs }
    let tries = 0
    const write = () => {
      tries += 1
      return this.#services.steps.write({ ...step, mayExist: tries > 1 })
    }
    if (!(await this.#persist('a step', write))) throw taskLost(this.fence)
  }

  async isCommitted(name: string): Promise<boolean> {
    const { db } = this.#services
    const isCommitted = await this.#persist('a lookup of a step', () =>
      findCommittedStep(db, this.fence, name),
    )
    if (isCommitted === undefined) throw taskLost(this.fence)
    return isCommitted
  }

  async sleep(name: string, until: Due | undefined): Promise<boolean> {
    if (await this.#enter(name)) return true
    if (!until) {
      this.#used.delete(name)
      this.abandon(name)
      return false
    }
    // Of sleeps side by side, another may have come first: it counts.
    this.#requireOpen()
    this.#sleep = { name, until }
    throw new Suspended()
  }

  requireHeld(): void {
    if (this.#isClosed || this.#run.cancellation.aborted) throw taskLost(this.fence)
  }

  /** Uses up the name, and counts the step unless it is finished. */
  async #enter(name: string): Promise<FoundStep | undefined> {
    this.#requireOpen()
    if (this.#used.has(name))
      throw invalid('name', `this run has used the name ${JSON.stringify(name)} already`)
    this.#used.add(name)
    const finished = this.fence.attempt > 1 ? await this.#read() : undefined
    const found = finished?.get(name)
    // Results are not kept for longer than they are needed.
    finished?.delete(name)
    this.#requireOpen()
    if (found) return found
    if (this.#count >= MAX_STEPS)
      throw new TaskError('TOO_MANY_STEPS', `a task has at most ${MAX_STEPS} steps`)
    this.#count += 1
    return undefined
  }

  #read(): Promise<Map<string, FoundStep>> {
    this.#finished ??= this.#persist('a read of steps', () =>
      findSteps(this.#services.db, this.fence.taskId),
    ).then((steps) => {
      this.#count += steps.length
      return new Map(steps.map((step) => [step.name, step]))
    })
    return this.#finished
  }

  #requireOpen(): void {
    if (this.#sleep) throw new Suspended()
    this.requireHeld()
  }

  async #persist<T>(what: string, work: () => Promise<T>): Promise<T> {
    return (await persist(what, work, this.#services)).value
  }
}
