import { setTimeout as delay } from 'node:timers/promises'
import type { Database } from '../../../db/database.ts'
import { Batcher } from '../../runtime/batcher.ts'
import { COMPLETION_BATCH, type CompletedRun, completeTask, completeTasks } from '../../store/finish.ts'

/**
 * When a run that was passed over is tried again with others, in milliseconds: claims of other executors lock rows for
 * as long as they take, and leave those that have been taken since they began. Nothing tells of a lock that has gone.
 */
const AGAIN_AFTER = [2, 8]

/**
 * The completions of an executor: those of the same moment share a commit. A run whose row somebody has locked may
 * share a later one; then it is completed by itself, at most two at a time, so that it holds up no other and takes no
 * more connections than that.
 */
export class Completions {
  readonly #together: Batcher<CompletedRun, boolean>
  readonly #alone: Batcher<CompletedRun, boolean>

  constructor(db: Database, executorId: string) {
    this.#together = new Batcher(COMPLETION_BATCH, (runs) => completeTasks(db, executorId, runs))
    this.#alone = new Batcher({ ...COMPLETION_BATCH, maxItems: 1 }, (runs) =>
      Promise.all(runs.map((run) => completeTask(db, executorId, run))),
    )
  }

  /** Resolves to whether the fence held. */
  async complete(run: CompletedRun): Promise<boolean> {
    if (await this.#together.add(run)) return true
    for (const ms of AGAIN_AFTER) {
      await delay(ms)
      if (await this.#together.add(run)) return true
    }
    return this.#alone.add(run)
  }
}
