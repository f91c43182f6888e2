import type { Database } from '../../db/database.ts'
import { isOutage } from '../../db/errors.ts'
import type { TaskEvents } from '../runtime/events.ts'
import { emitFollowUps } from '../runtime/follow-ups.ts'
import { WakeUp } from '../runtime/wake-up.ts'
import { carryOutCancels } from '../store/cancel-requests.ts'
import { forgetExecutors } from '../store/executors.ts'
import { EXPIRE_BATCH, expireTasks } from '../store/expire.ts'
import { failUnknownTypes, rescueTasks } from '../store/rescue.ts'

const FORGET_INTERVAL_MS = 3_600_000

/** Longest interval between searches for tasks of unknown types; shorter where they are to fail soon. */
const UNKNOWN_TYPES_INTERVAL_MS = 60_000

/** These searches take at most a fiftieth of the time: a transaction held open makes them slow. */
const SEARCH_SHARE = 50

export interface RescuerOptions {
  readonly db: Database
  readonly events: TaskEvents
  readonly executorId: string
  readonly leaseMs: number
  readonly unknownTypeGraceSeconds: number
  readonly judge: { readonly isSteady: boolean }
}

/** What a heartbeat has found. */
interface Found {
  /** Tasks run under dead executors; undefined: it did not probe. */
  readonly rescuable: boolean | undefined
  readonly expired: boolean
  readonly cancelRequests: boolean
}

/**
 * Cancels tasks that have expired or whose cancel was requested, rescues tasks of dead executors and fails tasks of
 * unknown types. Passes after each heartbeat of its executor; the rescues only while those are steady: during an outage
 * every executor seems dead.
 */
export class Rescuer {
  readonly #options: RescuerOptions
  readonly #wakeUp = new WakeUp()
  #mustRescue = false
  #mustExpire = false
  #mustCancel = false
  #rescuableSince: number | undefined
  #nextUnknownTypes = 0
  #lastForget = performance.now()

  constructor(options: RescuerOptions) {
    this.#options = options
  }

  noteBeat({ rescuable, expired, cancelRequests }: Found): void {
    this.#mustExpire ||= expired
    this.#mustCancel ||= cancelRequests
    if (rescuable !== undefined) {
      this.#mustRescue = rescuable
      this.#rescuableSince = rescuable ? (this.#rescuableSince ?? performance.now()) : undefined
    }
    this.#wakeUp.notify()
  }

  async loop(signal: AbortSignal, passed: () => void): Promise<void> {
    while (!signal.aborted) {
      const hasBeaten = await this.#wakeUp.wait(this.#options.leaseMs, signal)
      if (signal.aborted || !hasBeaten) continue
      const duties = [() => this.#expire(), () => this.#carryOutCancels()]
      if (this.#options.judge.isSteady) {
        duties.push(
          () => this.#rescue(),
          () => this.#failUnknownTypes(),
          () => this.#forgetExecutors(),
        )
      }
      await performAll(duties)
      passed()
    }
  }

  /** Judges no executor: an expiry is an instant of the database's clock, which alone decides. */
  async #expire(): Promise<void> {
    const { db, events } = this.#options
    while (this.#mustExpire) {
      this.#mustExpire = false
      const tasks = await expireTasks(db)
      this.#mustExpire ||= tasks.length === EXPIRE_BATCH
      for (const task of tasks) events.emit('cancelled', { ...task, wasPending: true, reason: 'expired' })
    }
  }

  async #carryOutCancels(): Promise<void> {
    if (!this.#mustCancel) return
    this.#mustCancel = false
    const { db, events } = this.#options
    for (const run of await carryOutCancels(db)) events.emit('cancelled', run)
  }

  async #rescue(): Promise<void> {
    if (!this.#mustRescue || this.#rescuableSince === undefined) return
    this.#mustRescue = false
    const { db, events, executorId, leaseMs } = this.#options
    // A living executor whose row was deleted gets a lease to insert it again.
    const unlisted = performance.now() - this.#rescuableSince >= leaseMs
    const tasks = await rescueTasks(db, executorId, { unlisted })
    if (tasks.length > 0) events.emit('rescued', { tasks })
    emitFollowUps(events, tasks)
  }

  async #failUnknownTypes(): Promise<void> {
    const begun = performance.now()
    if (begun < this.#nextUnknownTypes) return
    const { db, events, executorId, unknownTypeGraceSeconds } = this.#options
    const failed = await failUnknownTypes(db, executorId, unknownTypeGraceSeconds)
    const now = performance.now()
    const intervalMs = Math.min(UNKNOWN_TYPES_INTERVAL_MS, unknownTypeGraceSeconds * 100)
    // Where some failed, there may be more than one statement's batch.
    this.#nextUnknownTypes =
      failed.length > 0 ? now : now + Math.max(intervalMs, SEARCH_SHARE * (now - begun))
    for (const task of failed) events.emit('unknownTypeFailed', task)
    emitFollowUps(events, failed)
  }

  async #forgetExecutors(): Promise<void> {
    if (performance.now() - this.#lastForget < FORGET_INTERVAL_MS) return
    const { db, unknownTypeGraceSeconds } = this.#options
    await forgetExecutors(db, unknownTypeGraceSeconds)
    this.#lastForget = performance.now()
  }
}

/** One that fails, as by a row that a constraint of the host refuses, does not keep the process from the others. */
async function performAll(duties: readonly (() => Promise<void>)[]): Promise<void> {
  let failure: { error: unknown } | undefined
  for (const duty of duties) {
    try {
      await duty()
    } catch (error) {
      if (isOutage(error)) throw error
      failure ??= { error }
    }
  }
  if (failure) throw failure.error
}
