import { randomUUID } from 'node:crypto'
import type { Database } from '../../db/database.ts'
import type { TaskSettings } from '../definition/settings.ts'
import type { TaskDefinition } from '../definition/task.ts'
import type { TaskEvents } from '../runtime/events.ts'
import { pause } from '../runtime/wake-up.ts'
import { pruneEntries } from '../store/audit.ts'
import { deleteOldReports } from '../store/changes.ts'
import { forgetGroups } from '../store/error-groups.ts'
import { forgetFigures } from '../store/figures.ts'
import type { ListPosition } from '../store/list-branches.ts'
import { findTypesToPrune, holdPruning, PRUNE_START, pruneStep, releasePruning } from '../store/prune.ts'
import { deleteUnusedStarts } from '../store/rates.ts'
import { forgetRuns } from '../store/runs.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
/** A waiter's next poll must still find the task. */
const MIN_RETENTION_MS = MINUTE_MS
/** The largest value means never. */
const FOREVER_DAYS = 36_500
const DUTY_MS = 2 * MINUTE_MS
const BUSY = 1 / 3
/** So that the same process does not always come first. */
const JITTER = 0.1

export interface PrunerOptions {
  readonly db: Database
  readonly settings: TaskSettings
  readonly definitions: ReadonlyMap<string, Pick<TaskDefinition, 'options'>>
  readonly events: TaskEvents
  /** Default: heartbeats are always trusted. */
  readonly judge?: { readonly isSteady: boolean }
}

/**
 * Deletes tasks after their retention. One process at a time holds the duty, walks each type from the oldest task in
 * small steps, then waits up to an hour. A step waits for no lock and locks nothing that a claim needs.
 */
export class Pruner {
  readonly #options: PrunerOptions
  readonly #holder = randomUUID()
  #waitMs: number
  #heldUntil = 0

  constructor(options: PrunerOptions) {
    this.#options = options
    // By then every living executor has registered its types.
    this.#waitMs = options.settings.leaseMs
  }

  async loop(signal: AbortSignal, passed: () => void): Promise<void> {
    while (!signal.aborted) {
      await pause(jittered(this.#waitMs), signal)
      if (signal.aborted) return
      if (this.#options.judge?.isSteady === false) {
        this.#waitMs = this.#options.settings.leaseMs / 4
        continue
      }
      this.#waitMs = 0
      this.#waitMs = (await this.prune(signal)) ? this.#intervalMs : MINUTE_MS
      passed()
    }
  }

  /** Prunes everything old enough once; returns false while another process has the duty. */
  async prune(signal: AbortSignal): Promise<boolean> {
    if (!(await this.#holdDuty())) return false
    const { db } = this.#options
    await this.#pruneTasks(signal)
    await this.#pruneAudit(signal)
    await forgetFigures(db)
    await forgetGroups(db, this.#longestRetentionMs)
    await forgetRuns(db)
    await deleteOldReports(db)
    await deleteUnusedStarts(db)
    this.#heldUntil = 0
    await releasePruning(db, this.#holder)
    return true
  }

  async #pruneTasks(signal: AbortSignal): Promise<void> {
    const { db, definitions, events } = this.#options
    let count = 0
    try {
      for (const taskType of await findTypesToPrune(db, [...definitions.keys()])) {
        const olderThanMs = this.#retentionMs(taskType)
        if (olderThanMs === undefined) continue
        for await (const pruned of this.#pruneType(taskType, olderThanMs, signal)) count += pruned
      }
    } finally {
      // Also what was deleted before an error.
      if (count > 0) events.emit('pruned', { count })
    }
  }

  /** Yields how many tasks each step has deleted. */
  async *#pruneType(taskType: string, olderThanMs: number, signal: AbortSignal): AsyncGenerator<number> {
    let position: ListPosition | undefined = PRUNE_START
    while (position && !signal.aborted && (await this.#holdDuty())) {
      const begun = performance.now()
      const step = await pruneStep(this.#options.db, taskType, olderThanMs, position)
      yield step.pruned
      position = step.next
      if (position) await pause((performance.now() - begun) * (1 / BUSY - 1), signal)
    }
  }

  async #pruneAudit(signal: AbortSignal): Promise<void> {
    const { db, settings } = this.#options
    const days = settings.auditRetentionDays
    if (days >= FOREVER_DAYS) return
    let hasMore = true
    while (hasMore && !signal.aborted && (await this.#holdDuty())) {
      const begun = performance.now()
      hasMore = await pruneEntries(db, days * DAY_MS)
      if (hasMore) await pause((performance.now() - begun) * (1 / BUSY - 1), signal)
    }
  }

  /** Takes the duty, or extends it after half of its time. */
  async #holdDuty(): Promise<boolean> {
    if (performance.now() < this.#heldUntil) return true
    const begun = performance.now()
    const isHeld = await holdPruning(this.#options.db, this.#holder, DUTY_MS)
    this.#heldUntil = isHeld ? begun + DUTY_MS / 2 : 0
    return isHeld
  }

  #retentionMs(taskType: string): number | undefined {
    const { definitions, settings } = this.#options
    const days = definitions.get(taskType)?.options.retentionDays ?? settings.retentionDays
    return days >= FOREVER_DAYS ? undefined : Math.max(days * DAY_MS, MIN_RETENTION_MS)
  }

  /** Undefined: forever. */
  get #longestRetentionMs(): number | undefined {
    const days = Math.max(this.#options.settings.retentionDays, ...this.#ownRetentionDays)
    return days >= FOREVER_DAYS ? undefined : Math.max(days * DAY_MS, MIN_RETENTION_MS)
  }

  get #ownRetentionDays(): number[] {
    return [...this.#options.definitions.values()].flatMap(({ options }) => options.retentionDays ?? [])
  }

  get #intervalMs(): number {
    const own = this.#ownRetentionDays
    const shortestMs = Math.min(this.#options.settings.retentionDays, ...own) * DAY_MS
    return Math.min(HOUR_MS, Math.max(MINUTE_MS, shortestMs / 24))
  }
}

function jittered(ms: number): number {
  return ms * (1 + JITTER * (2 * Math.random() - 1))
}
