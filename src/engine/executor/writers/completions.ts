import { setTimeout as delay } from 'node:timers/promises'
import type { Database } from '../../../db/database.ts'
import { Batcher } from '../../runtime/batcher.ts'
import { COMPLETION_BATCH, type CompletedRun, completeTask, completeTasks } from '../../store/finish.ts'

/** Claims lock rows briefly and skip those claimed since they began; no event shows that a lock has gone. */
const RETRY_AFTER_MS = [2, 8]

/**
 * Completions of an executor: simultaneous ones share a commit. A run with a locked row is retried with later ones,
 * then waits for the lock by itself, at most two at a time.
 */
export class Completions {
  readonly #shared: Batcher<CompletedRun, boolean>
  readonly #single: Batcher<CompletedRun, boolean>

  constructor(db: Database, executorId: string) {
    this.#shared = new Batcher(COMPLETION_BATCH, (runs) => completeTasks(db, executorId, runs))
    this.#single = new Batcher({ ...COMPLETION_BATCH, maxItems: 1 }, (runs) =>
      Promise.all(runs.map((run) => completeTask(db, executorId, run))),
    )
  }

  async complete(run: CompletedRun): Promise<boolean> {
    if (await this.#shared.add(run)) return true
    for (const ms of RETRY_AFTER_MS) {
      await delay(ms)
      if (await this.#shared.add(run)) return true
    }
    return this.#single.add(run)
  }
}
