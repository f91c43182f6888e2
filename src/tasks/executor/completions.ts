import type { Database } from '../../db/database.ts'
import { Batcher } from '../batcher.ts'
import { type CompletedRun, completeTask, completeTasks } from '../store/finish.ts'

/** What one statement completes at most. */
const BATCH = {
  maxItems: 500,
  maxBytes: 4 * 1_048_576,
  bytesOf: (run: CompletedRun) => run.result?.length ?? 0,
}

/** A claim of another executor locks rows that it then leaves, for as long as it takes. */
const RIDES = 2

/**
 * The completions of an executor: those of the same moment share a commit. A run whose row somebody has locked may
 * share the next one; then it is completed by itself, at most two at a time, so that it holds up no other and takes no
 * more connections than that.
 */
export class Completions {
  readonly #together: Batcher<CompletedRun, boolean>
  readonly #alone: Batcher<CompletedRun, boolean>

  constructor(db: Database, executorId: string) {
    this.#together = new Batcher(BATCH, (runs) => completeTasks(db, executorId, runs))
    this.#alone = new Batcher({ ...BATCH, maxItems: 1 }, (runs) =>
      Promise.all(runs.map((run) => completeTask(db, executorId, run))),
    )
  }

  /** Answers whether the fence held. */
  async complete(run: CompletedRun): Promise<boolean> {
    for (let ride = 0; ride < RIDES; ride += 1) {
      if (await this.#together.add(run)) return true
    }
    return this.#alone.add(run)
  }
}
