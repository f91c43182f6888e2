import { AsyncLocalStorage } from 'node:async_hooks'
import { performance } from 'node:perf_hooks'
import type { TaskContext } from '../../definition/context.ts'
import {
  checkStepName,
  type Due,
  describeStep,
  invalid,
  readUntil,
  type SleepUntil,
} from '../../definition/steps.ts'
import type { StepPort } from './step-port.ts'

export type StepWork = (tx: unknown) => unknown

/** The step whose function runs; it stays set for what the function has left behind. */
const scope = new AsyncLocalStorage<{ readonly runner: StepRunner; isRunning: boolean }>()

/** Runs the steps of one attempt, in the thread of its handler. */
export class StepRunner {
  readonly #port: StepPort
  readonly #underWay = new Set<Promise<unknown>>()
  #transactions: Promise<unknown> = Promise.resolve()

  constructor(port: StepPort) {
    this.#port = port
  }

  readonly step = ((name: string, run: StepWork, options: { tx?: unknown } = {}) =>
    this.#track(this.#step(name, run, options))) as TaskContext['step']

  readonly sleep = (name: string, until: SleepUntil): Promise<void> => this.#track(this.#sleep(name, until))

  /** Resolves when no step is under way: the attempt must not end before, or the next one would run beside it. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay)
  }

  #track<T>(work: Promise<T>): Promise<T> {
    this.#underWay.add(work)
    const end = () => this.#underWay.delete(work)
    work.then(end, end)
    return work
  }

  async #step(name: string, run: StepWork, options: { tx?: unknown }): Promise<unknown> {
    checkStepName(name)
    this.#refuseNesting('step', name)
    const tx = readTx(run, options)
    const begun = await this.#port.begin(name)
    if (begun.isFinished) return parse(begun.result)
    try {
      return parse(tx === undefined ? await this.#run(name, run) : await this.#transact(name, run, tx))
    } catch (error) {
      this.#port.abandon(name)
      throw error
    }
  }

  async #sleep(name: string, until: SleepUntil): Promise<void> {
    checkStepName(name)
    this.#refuseNesting('sleep', name)
    const { due, problem } = tryToRead(until)
    if (!(await this.#port.sleep(name, due))) throw problem
  }

  async #run(name: string, run: StepWork): Promise<string | null> {
    const startedAt = performance.now()
    const result = await this.#call(name, () => run(undefined))
    await this.#port.finish(name, result, performance.now() - startedAt)
    return result
  }

  /** One after the other: the second would wait for the lock of the first. */
  #transact(name: string, run: StepWork, tx: unknown): Promise<string | null> {
    const take = async () => {
      // Loaded on use: it needs a database driver.
      const { runInTransaction } = await import('./step-transaction.ts')
      return runInTransaction(this.#port, { name, run: (open) => this.#call(name, () => run(open)) }, tx)
    }
    const turn = this.#transactions.then(take, take)
    this.#transactions = turn
    return turn
  }

  async #call(name: string, run: () => unknown): Promise<string | null> {
    const running = { runner: this, isRunning: true }
    try {
      const result = await scope.run(running, async () => run())
      return this.#port.encode(result, name)
    } finally {
      running.isRunning = false
    }
  }

  #refuseNesting(what: 'step' | 'sleep', name: string): void {
    const outer = scope.getStore()
    if (outer?.runner !== this || !outer.isRunning) return
    const which = what === 'step' ? describeStep(name) : `sleep ${JSON.stringify(name)}`
    throw invalid('name', `${which} begins inside a step: a step holds no other step and no sleep`)
  }
}

const CALL = "ctx.step('load', () => load(), { tx? })"

function readTx(run: unknown, options: { tx?: unknown }): unknown {
  if (typeof run !== 'function')
    throw invalid('run', `run must be a function, as in ${CALL}, got a value of type ${typeof run}`)
  if (typeof options !== 'object' || options === null)
    throw invalid('options', `options must be an object, as in ${CALL}`)
  const unknown = Object.keys(options).find((key) => key !== 'tx')
  if (unknown !== undefined) throw invalid(unknown, `${unknown} is no option of a step (known: tx)`)
  return options.tx
}

/** A sleep that is over needs no end: what is left until then has become negative, for example. */
function tryToRead(until: SleepUntil): { due?: Due; problem?: unknown } {
  try {
    return { due: readUntil(until) }
  } catch (problem) {
    return { problem }
  }
}

/** A later attempt gets what JSON made of it, so the first one does, too. */
function parse(result: string | null): unknown {
  return result === null ? null : JSON.parse(result)
}
