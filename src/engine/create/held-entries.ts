import type { Database } from '../../db/database.ts'
import type { CreatedTask } from '../definition/create-options.ts'
import { Batcher } from '../runtime/batcher.ts'
import type { TaskEvents } from '../runtime/events.ts'
import { type NewAuditEntry, recordEntries } from '../store/audit.ts'
import type { NewTask } from '../store/insert.ts'
import { toEntries } from './created.ts'

const BATCH = { maxItems: 1_000, maxBytes: Number.POSITIVE_INFINITY, bytesOf: () => 0 }

/** The entries of creates that found their unique key held: those of the same moment share a statement. */
export class HeldEntries {
  readonly #db: Database
  readonly #events: TaskEvents
  readonly #writes = new Batcher(BATCH, (entries: readonly NewAuditEntry[]) => this.#write(entries))

  constructor(db: Database, events: TaskEvents) {
    this.#db = db
    this.#events = events
  }

  /** A failure to write is logged: the create itself has succeeded. */
  async add(task: NewTask, created: CreatedTask): Promise<void> {
    await Promise.all(toEntries([task], [created]).map((entry) => this.#writes.add(entry)))
  }

  async #write(entries: readonly NewAuditEntry[]): Promise<undefined[]> {
    try {
      await recordEntries(this.#db, entries)
    } catch (error) {
      this.#events.emit('writeFailed', { what: 'audit', error })
    }
    return entries.map(() => undefined)
  }
}
