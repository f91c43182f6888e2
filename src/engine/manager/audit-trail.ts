import type { AuditAction, AuditPage, AuditQuery } from '../../contract/audit-views.ts'
import type { Database } from '../../db/database.ts'
import { actorOptions, auditQuery, requireValid } from '../create/arguments.ts'
import type { Actor, AuditedChange } from '../definition/actor.ts'
import { TaskError } from '../definition/errors.ts'
import type { AuditResult, TaskEvents } from '../runtime/events.ts'
import { listEntries, type NewAuditEntry, recordEntries } from '../store/audit.ts'
import { decodeCursor, encodeCursor } from './cursor.ts'

/** A change that a caller asks for. */
export interface RequestedChange {
  /** Undefined: nobody is named, and nothing is written. */
  readonly actor: Actor | undefined
  readonly action: AuditAction
  /** A function names a refused change of something that has no id yet; it is called only then. */
  readonly subject: string | null | (() => string | null)
}

/** Actors whose call has left an entry. */
const recorded = new WeakSet<Actor>()

/** Whether a call with this actor object has left an entry. */
export function hasEntry(actor: Actor): boolean {
  return recorded.has(actor)
}

/** Who changed what. The statement that changes something also writes its entry; a refusal leaves one of its own. */
export class AuditTrail {
  readonly #db: Database
  readonly #events: TaskEvents

  constructor({ db, events }: { db: Database; events: TaskEvents }) {
    this.#db = db
    this.#events = events
  }

  /**
   * Runs a change. `work` receives what its statements write; undefined without an actor.
   *
   * @param resultsOf what has been written; undefined: it is not committed yet
   */
  run<T>(
    { actor, action, subject }: RequestedChange,
    work: (change: AuditedChange | undefined) => Promise<T>,
    resultsOf?: (result: T) => readonly AuditResult[] | undefined,
  ): Promise<T> {
    if (actor === undefined) return work(undefined)
    const [known, nameRefused] = typeof subject === 'function' ? [null, subject] : [subject, () => subject]
    const toResults = resultsOf ?? (() => [{ subject: known, outcome: 'ok' }])
    return this.#run({ actor, action, subject: known }, work, toResults, nameRefused)
  }

  async #run<T>(
    change: AuditedChange,
    work: (change: AuditedChange) => Promise<T>,
    resultsOf: (result: T) => readonly AuditResult[] | undefined,
    nameRefused: () => string | null,
  ): Promise<T> {
    requireValid('options', actorOptions, { actor: change.actor })
    try {
      const result = await work(change)
      recorded.add(change.actor)
      const results = resultsOf(result)
      if (results) this.report(change, results)
      return result
    } catch (error) {
      if (error instanceof TaskError)
        await this.refuse(change, [{ subject: nameRefused(), outcome: error.code }])
      throw error
    }
  }

  /** Writes refusals. A failure to do so is logged: the caller gets the refusal itself. */
  async refuse(change: AuditedChange, results: readonly AuditResult[]): Promise<void> {
    recorded.add(change.actor)
    try {
      await this.record(results.map((result) => ({ ...change, ...result })))
      this.report(change, results)
    } catch (error) {
      this.#events.emit('writeFailed', { what: 'audit', error })
    }
  }

  /** For the log. */
  report({ actor, action }: AuditedChange, results: readonly AuditResult[]): void {
    this.#events.emit('audited', { actor, action, results })
  }

  /** Writes entries of what has changed nothing. */
  record(entries: readonly NewAuditEntry[]): Promise<void> {
    return recordEntries(this.#db, entries)
  }

  /** @throws TaskError `INVALID_ARGUMENT` */
  async list(query: AuditQuery): Promise<AuditPage> {
    requireValid('audit query', auditQuery, query)
    const { cursor, ...filter } = query
    const from = cursor === undefined ? undefined : decodeCursor(cursor)
    const { entries, last } = await listEntries(this.#db, filter, from)
    return { entries, nextCursor: last ? encodeCursor(last) : null }
  }
}
