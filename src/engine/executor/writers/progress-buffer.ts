import type { Database } from '../../../db/database.ts'
import type { TaskEvents } from '../../runtime/events.ts'
import { FlushLoop } from '../../runtime/flush-loop.ts'
import { persistEachOrDiscard } from '../../runtime/persist-or-discard.ts'
import { type Fence, runKey } from '../../store/fence.ts'
import { type ProgressUpdate, writeLockedProgress, writeProgress } from '../../store/output.ts'

/** Locked rows that one flush waits for, half a second each. */
const MAX_WAITS = 4

/**
 * Buffers the newest progress of each attempt. Locked rows, as by a handler's own transaction, are skipped, then waited
 * for briefly. Only the end of a failed task waits for this buffer.
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
    this.#loop.schedule()
  }

  drop(run: Fence): void {
    this.#waiting.delete(runKey(run))
  }

  async flush(): Promise<void> {
    // A flush in flight may have started before the newest progress.
    await this.#loop.flush()
    if (this.#waiting.size > 0 || this.#loop.isFlushing) await this.#loop.flush()
  }

  stop(): void {
    this.#loop.stop()
  }

  async #write(): Promise<void> {
    if (this.#waiting.size === 0) return
    const updates = [...this.#waiting.values()]
    this.#waiting.clear()
    const write = (some: readonly ProgressUpdate[]) => writeProgress(this.#db, this.#executorId, some)
    const results = await persistEachOrDiscard('progress', updates, write, this.#context)
    const ends = new Map(results.flatMap((result) => [...result]))
    for (const update of updates) {
      if (ends.get(runKey(update)) === 'lost') this.#onLost(update)
    }
    const locked = updates.filter((update) => ends.get(runKey(update)) === 'locked')
    for (const [i, update] of locked.entries()) {
      // A handler may lock its row in one transaction after another.
      const written = i < MAX_WAITS && (await this.#writeLocked(update))
      if (!written && !this.#waiting.has(runKey(update))) this.#waiting.set(runKey(update), update)
    }
  }

  async #writeLocked(update: ProgressUpdate): Promise<boolean> {
    const write = () => writeLockedProgress(this.#db, update)
    const [written = true] = await persistEachOrDiscard('progress', [update], write, this.#context)
    return written
  }
}
