import { taskLost } from '../engine/definition/errors.ts'
import { taskSettings } from '../engine/definition/settings.ts'
import { type Due, invalid, Suspended } from '../engine/definition/steps.ts'
import { encodeResult } from '../engine/executor/attempt/result.ts'
import type { BegunStep, StepPort } from '../engine/executor/steps/step-port.ts'
import { StepRunner } from '../engine/executor/steps/step-runner.ts'
import type { Fence } from '../engine/store/fence.ts'

interface Run {
  readonly fence: Fence
  readonly signal: AbortSignal
  readonly given: Readonly<Record<string, unknown>>
  readonly finished: { name: string; result: unknown }[]
  warn(line: string): void
}

/** The steps of a run without a database: finished ones are given, others are recorded. */
export class GivenSteps implements StepPort {
  readonly fence: Fence
  readonly responseTimeoutMs = 0
  readonly schema = 'public'
  readonly runner = new StepRunner(this)
  readonly #run: Run
  readonly #used = new Set<string>()
  readonly #maxResultBytes = taskSettings.parse({}).maxResultBytes
  sleeping: { readonly name: string; readonly delayMs: number } | undefined

  constructor(run: Run) {
    this.fence = run.fence
    this.#run = run
  }

  idle(): Promise<void> {
    return this.runner.idle()
  }

  requireHeld(): void {
    if (this.#run.signal.aborted) throw taskLost(this.fence)
  }

  async begin(name: string): Promise<BegunStep> {
    return this.#enter(name)
      ? { isFinished: true, result: this.encode(this.#run.given[name], name) }
      : { isFinished: false }
  }

  abandon(): void {}

  async finish(name: string, result: string | null): Promise<void> {
    this.#run.finished.push({ name, result: result === null ? null : JSON.parse(result) })
  }

  async isCommitted(): Promise<boolean> {
    return false
  }

  async sleep(name: string, until: Due | undefined): Promise<boolean> {
    if (this.#enter(name)) return true
    if (!until) {
      this.#used.delete(name)
      return false
    }
    const delayMs = 'delayMs' in until ? until.delayMs : Math.max(0, Date.parse(until.at) - Date.now())
    this.sleeping = { name, delayMs }
    throw new Suspended()
  }

  encode(result: unknown, step: string): string | null {
    return encodeResult(result, this.#maxResultBytes, (line) => this.#run.warn(line), step)
  }

  #enter(name: string): boolean {
    if (this.sleeping) throw new Suspended()
    this.requireHeld()
    if (this.#used.has(name))
      throw invalid('name', `this run has used the name ${JSON.stringify(name)} already`)
    this.#used.add(name)
    return Object.hasOwn(this.#run.given, name)
  }
}
