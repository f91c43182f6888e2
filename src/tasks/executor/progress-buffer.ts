import type { Database } from '../../db/database.ts'
import type { TaskEvents } from '../events.ts'
import { type Fence, runKey } from '../store/fence.ts'
import { type ProgressUpdate, writeProgress } from '../store/output.ts'
import { FlushLoop } from './flush-loop.ts'
import { persistOrDrop } from './persist-or-drop.ts'

/**
 * The newest progress of each attempt of an executor, on its way to the database. A row that a handler's own
 * transaction has locked is passed over and tried again: waiting for it would hold up everybody's progress, and that
 * handler itself where it waits for its output.
 */
export class ProgressBuffer {
  readonly #db: Database
  readonly #executorId: string
  readonly #context: { events: TaskEvents; giveUp: AbortSignal }
  readonly #onLost: (run: Fence) => void
  readonly #loop: FlushLoop
  readonly #waiting = new Map<string, ProgressUpdate>()

  constructor(options: {
    db: Database
    executorId: string
    context: { events: TaskEvents; giveUp: AbortSignal }
    /** The run no longer owns its task. */
    onLost: (run: Fence) => void
  }) {
    this.#db = options.db
    this.#executorId = options.executorId
    this.#context = options.context
    this.#onLost = options.onLost
    const more = () => (this.#waiting.size > 0 ? 'later' : 'none')
    this.#loop = new FlushLoop(() => this.#write(), more, options.context.giveUp)
  }

  report(update: ProgressUpdate): void {
    this.#waiting.set(runKey(update), update)
    this.#loop.soon()
  }

  /** Forgets progress that the run's last write carries, or that its row no longer wants. */
  drop(run: Fence): void {
    this.#waiting.delete(runKey(run))
  }

  /** Writes what waits now, but for rows that are locked. */
  async flush(): Promise<void> {
    // A flush that is under way may have taken its share before the newest word.
    await this.#loop.now()
    if (this.#waiting.size > 0) await this.#loop.now()
  }

  stop(): void {
    this.#loop.stop()
  }

  async #write(): Promise<void> {
    if (this.#waiting.size === 0) return
    const updates = [...this.#waiting.values()]
    this.#waiting.clear()
    const write = () => writeProgress(this.#db, this.#executorId, updates)
    const ends = await persistOrDrop('progress', write, this.#context)
    for (const update of updates) {
      const key = runKey(update)
      const end = ends?.get(key)
      if (end === 'lost') this.#onLost(update)
      if (end === 'locked' && !this.#waiting.has(key)) this.#waiting.set(key, update)
    }
  }
}
