import type { Database } from '../../../db/database.ts'
import { isTransient } from '../../../db/errors.ts'
import { Batcher } from '../../runtime/batcher.ts'
import { exchangeTasks } from '../../store/exchange.ts'
import { type Fence, runKey } from '../../store/fence.ts'
import { COMPLETION_BATCH, type CompletedRun } from '../../store/finish.ts'
import type { Intake } from '../intake.ts'

export interface ExchangeParts {
  readonly db: Database
  readonly executorId: string
  readonly intake: Intake
  /** Whether a task of this type that ends here may pass its place on now. */
  mayPassOn(taskType: string): boolean
}

/**
 * Where only so many tasks of a type run over all processes, the end of one is the start of the next: one statement
 * completes it and takes another one in its place. Two would leave the place empty for as long as a commit, a claim
 * and the locks of other processes take.
 */
export class Exchanges {
  readonly #parts: ExchangeParts
  /** By type. */
  readonly #batchers = new Map<string, Batcher<CompletedRun, boolean>>()
  /** Runs that have ended and whose place another task has, by their keys. */
  readonly #passedOn = new Set<string>()

  constructor(parts: ExchangeParts) {
    this.#parts = parts
  }

  /** Answers whether the run is completed. False: nothing was tried, its fence does not hold, or its row is locked. */
  async complete(taskType: string, run: CompletedRun): Promise<boolean> {
    if (!this.#parts.mayPassOn(taskType)) return false
    try {
      return await this.#batcherOf(taskType).add(run)
    } catch (error) {
      if (isTransient(error)) throw error
      // What is wrong with another task must not fail this one; what is wrong with this one, its completion will say.
      return false
    }
  }

  /** Another task has the place of this run. Forgets it. */
  hasPassedOn(run: Pick<Fence, 'taskId' | 'attempt'>): boolean {
    return this.#passedOn.delete(runKey(run))
  }

  #batcherOf(taskType: string): Batcher<CompletedRun, boolean> {
    const known = this.#batchers.get(taskType)
    const batcher = known ?? new Batcher(COMPLETION_BATCH, (runs) => this.#exchange(taskType, runs))
    this.#batchers.set(taskType, batcher)
    return batcher
  }

  async #exchange(taskType: string, runs: readonly CompletedRun[]): Promise<boolean[]> {
    const { db, executorId, intake, mayPassOn } = this.#parts
    // Some have waited for others, and much may have happened since.
    if (!mayPassOn(taskType)) return runs.map(() => false)
    const { done, tasks } = await intake.take(() => exchangeTasks(db, executorId, taskType, runs))
    for (const run of done.slice(0, tasks.length)) this.#passedOn.add(runKey(run))
    return runs.map((run) => done.includes(run))
  }
}
