import { Batcher } from '../../runtime/batcher.ts'
import {
  type FinishedStep,
  finishStep,
  finishSteps,
  STEP_BATCH,
  type StepDatabases,
} from '../../store/steps.ts'

/** Steps of an executor: those finished at the same moment share a commit. */
export class StepWriter {
  readonly #shared: Batcher<FinishedStep, boolean>
  readonly #single: Batcher<FinishedStep, boolean>

  constructor(db: StepDatabases, executorId: string) {
    this.#shared = new Batcher(STEP_BATCH, (steps) => finishSteps(db, executorId, steps))
    this.#single = new Batcher({ ...STEP_BATCH, maxItems: 1 }, (steps) =>
      Promise.all(steps.map((step) => finishStep(db, executorId, step))),
    )
  }

  /** Resolves once the step is durable. False: the fence does not hold. */
  async write(step: FinishedStep): Promise<boolean> {
    // Alone: a locked row must not delay the others of a batch.
    return (await this.#shared.add(step)) || this.#single.add(step)
  }
}
