import type { Database } from '../../db/database.ts'
import { isGloballyLimited, limitsRunning, type TypeLimits } from '../definition/limits.ts'
import type { WakeUp } from '../runtime/wake-up.ts'
import {
  type ClaimedTask,
  type ClaimRequest,
  type ClaimResult,
  Claims,
  type TypeClaims,
} from '../store/claim.ts'
import { MANY_TYPES, ManyTypeClaims } from '../store/claim-many.ts'
import { deleteOldStarts, ratedTypes } from '../store/rates.ts'
import { ClaimHorizon } from './claim-horizon.ts'
import type { DueTimer } from './due-timer.ts'
import { type LimitedClaim, LimitedTypes } from './limited-types.ts'
import type { Slots } from './slots.ts'

/** While claims find few tasks, one claim serves all slots freed within this time. */
const DEBOUNCE_MS = 50

const DELETE_STARTS_INTERVAL_MS = 60_000

/** How often a claim at a due time is repeated, for about a second: the row of the task that is due may be locked. */
const MAX_REPEATS = 20

/**
 * When to claim again. `now`: more tasks are likely. `soon`: rows that are locked may be free in a moment. `later`: at the
 * next wake-up, which a timer may send, or after the poll interval.
 */
export type NextClaim = 'now' | 'soon' | 'later'

export interface Claimed {
  readonly tasks: readonly ClaimedTask[]
  readonly next: NextClaim
  /** No task of any type is due, but for those of paused types. False: one is, or this claim did not check all types. */
  readonly isIdle: boolean
}

export interface ClaimerOptions {
  readonly db: Database
  readonly executorId: string
  readonly types: readonly TypeLimits[]
  readonly slots: Slots
  readonly pollIntervalMs: number
  /** Claims that take nothing also check whether a task is due: if none is, polls may be further apart. Default false. */
  readonly findsIdle?: boolean
  readonly dueTimer: DueTimer
  /** Wakes when the next permit of a rate returns. */
  readonly permitTimer: DueTimer
  /** Claimed tasks come with their trace context. Default false. */
  readonly isTraced?: boolean
  /** Runs of these types ended here and tasks of them are due, but this executor took none of them: others may. */
  onCapacityReleased(taskTypes: readonly string[]): void
  /** A claim at the due time of tasks, or of a permit, took as many as it asked for: others may claim the rest. */
  onManyDue(): void
  readonly wakeUp: Pick<WakeUp, 'notify' | 'notifyAfter'>
}

/**
 * Decides what a claim asks for: of which types, how many of each, due since when. There are two kinds:
 * - a plain claim takes tasks of all types without a limit over all processes, and reports which limited types have due
 *   tasks. Those become open, and the next claim follows at once;
 * - a limited claim also locks the rows of the open types, counts, and takes what their limits allow. Then it closes those
 *   of which it took all that it may, for a poll interval at most; `LimitedTypes` knows what opens them before.
 * In what follows, "limited" means: with a limit over all processes.
 */
export class Claimer {
  readonly #options: ClaimerOptions
  readonly #claims: TypeClaims
  readonly #types: ReadonlyMap<string, TypeLimits>
  readonly #limited: LimitedTypes
  readonly #horizon: ClaimHorizon
  /** Claims of types with `concurrency` lock rows for a moment that they do not take in the end; other claims skip those. */
  readonly mayHideRows: boolean
  #repeatsLeft = 0
  #nextDeletion = 0
  /** It took one task or none, and asked for more. */
  #lastClaimFoundFew = false
  #isDebouncing = false

  constructor(options: ClaimerOptions) {
    const { db, executorId, types, wakeUp, pollIntervalMs, isTraced } = options
    this.#options = options
    const hasMany = types.length > MANY_TYPES
    this.#claims = hasMany
      ? new ManyTypeClaims(db, executorId, types, isTraced)
      : new Claims(db, executorId, types, { isTraced })
    this.#types = new Map(types.map((type) => [type.taskType, type]))
    this.#limited = new LimitedTypes(types, pollIntervalMs, (ms) => wakeUp.notifyAfter(ms))
    this.#horizon = new ClaimHorizon({ db, types, mayReadRecent: !hasMany, wakeUp })
    this.mayHideRows = types.some((type) => type.concurrency !== null && !isGloballyLimited(type))
  }

  isGloballyLimited(taskType: string): boolean {
    return this.#limited.has(taskType)
  }

  /** The end of a run lets another task of the type start. Permits of a rate alone return with time instead. */
  freesPermit(taskType: string): boolean {
    const type = this.#types.get(taskType)
    return type === undefined || type.concurrency !== null || limitsRunning(type)
  }

  /** The outcome of an attempt of this type is written. */
  noteEnd(taskType: string): void {
    this.#limited.noteEnd(taskType)
  }

  /** A slot is free. Wakes the claim loop: at once if none was, if a permit is free, or the last claim found tasks. */
  noteFreed(taskType: string, wasFull: boolean): void {
    const { wakeUp } = this.#options
    if (wasFull || !this.#lastClaimFoundFew || this.freesPermit(taskType)) wakeUp.notify()
    else if (!this.#isDebouncing) {
      this.#isDebouncing = true
      wakeUp.notifyAfter(DEBOUNCE_MS, () => {
        this.#isDebouncing = false
      })
    }
  }

  /**
   * Tasks or permits may have come: limited types that are closed may open again, those of `taskTypes`, whose tasks have
   * come, at once. Does not wake the claim loop.
   */
  recheck(taskTypes: readonly string[] = []): void {
    this.#limited.recheck(taskTypes)
  }

  /** As `recheck`, and the next claims read all due tasks: some that were due long ago may have become claimable. */
  rescan(): void {
    this.recheck()
    // The clock of the database may have changed.
    this.#limited.forgetPermits()
    this.#horizon.reset()
  }

  /** One claim at a time: what a claim asks for depends on the slots that the one before has filled. */
  async claim(limit: number): Promise<Claimed> {
    const { dueTimer, permitTimer } = this.#options
    // Before the request: it may decide that this claim reads all due tasks.
    this.#horizon.probe()
    const isDueTime = dueTimer.takeFired()
    const isPermitTime = permitTimer.takeFired()
    if (isDueTime) this.#repeatsLeft = MAX_REPEATS
    dueTimer.noteClaimSent()
    this.#limited.openPermitted(dueTimer.databaseNow)
    const request = this.#request(limit)
    const limitedClaim = this.#limited.begin((taskType) => this.#capacityOf(taskType) !== 0)
    const claimed = await (limitedClaim
      ? this.#claimLimited(request, limitedClaim)
      : this.#claimPlain(request))
    if ((isDueTime || isPermitTime) && claimed.tasks.length === limit) this.#options.onManyDue()
    if (claimed.tasks.length > 0) this.#horizon.noteTaken()
    this.#lastClaimFoundFew = claimed.tasks.length < Math.min(limit, 2)
    return claimed
  }

  /** Resolves when no probe is in flight. */
  async whenProbed(): Promise<void> {
    await this.#horizon.whenProbed()
  }

  async #claimPlain(request: ClaimRequest): Promise<Claimed> {
    const { epoch } = this.#horizon
    const begun = performance.now()
    const result = await this.#claims.claim(request)
    this.#horizon.record(request, result, performance.now() - begun, epoch)
    this.#setTimers(result, begun)
    const hasOpened = this.#openWaiting(result.waiting)
    const isNow = mayHaveLeft(request, result) || hasOpened
    const checksAll = request.since.every((one) => one === null) && !request.capacity.includes(0)
    return {
      tasks: result.tasks,
      next: isNow ? 'now' : this.#takeRepeat(result) ? 'soon' : 'later',
      isIdle: checksAll && result.isDueLeft === false && result.waiting.length === 0,
    }
  }

  async #claimLimited(request: ClaimRequest, claim: LimitedClaim): Promise<Claimed> {
    const begun = performance.now()
    const result = await this.#claims.claimLimited(request, claim.open).catch((error: unknown) => {
      this.#limited.restoreEnds(claim)
      throw error
    })
    const hasLeft = mayHaveLeft(request, result)
    const finished = { mayHaveLeft: hasLeft, tookMs: performance.now() - begun }
    const released = this.#limited.finish(claim, result, finished)
    this.#setTimers(result, begun)
    this.#deleteOldStarts()
    if (released.length > 0) this.#options.onCapacityReleased(released)
    // While a type stays open, as with a long backlog, there is no plain claim that opens the others.
    const hasOpened = this.#openWaiting(result.waiting.filter((taskType) => !claim.open.has(taskType)))
    // A limited claim does not read whether a task that it has not taken is due.
    const isSoon = result.contended.length > 0 || (result.tasks.length === 0 && this.#repeatsLeft > 0)
    this.#repeatsLeft = Math.max(0, this.#repeatsLeft - 1)
    return {
      tasks: result.tasks,
      next: hasLeft || hasOpened ? 'now' : isSoon ? 'soon' : 'later',
      isIdle: false,
    }
  }

  /** The row of a task that became due may be locked for a moment, as by a change of it. Returns whether to claim again. */
  #takeRepeat({ isDueLeft }: ClaimResult): boolean {
    this.#repeatsLeft = isDueLeft ? Math.max(0, this.#repeatsLeft - 1) : 0
    return this.#repeatsLeft > 0
  }

  #deleteOldStarts(): void {
    const now = performance.now()
    if (now < this.#nextDeletion) return
    this.#nextDeletion = now + DELETE_STARTS_INTERVAL_MS
    const rated = ratedTypes(this.#options.types)
    if (rated.length > 0) deleteOldStarts(this.#options.db, rated).catch(() => {})
  }

  #setTimers({ at, nextDueAt }: ClaimResult, sentAt: number): void {
    const { dueTimer, permitTimer } = this.#options
    const reading = { sentAt, receivedAt: performance.now(), at }
    dueTimer.noteReading({ ...reading, nextDueAt })
    permitTimer.noteReading({ ...reading, nextDueAt: this.#limited.nextPermitAt ?? null })
  }

  #openWaiting(waiting: readonly string[]): boolean {
    return this.#limited.openWaiting(waiting.filter((taskType) => this.#capacityOf(taskType) !== 0))
  }

  /** How many tasks of the type may start here, by its `concurrency`; null: any number. */
  #capacityOf(taskType: string): number | null {
    const concurrency = this.#types.get(taskType)?.concurrency ?? null
    return concurrency === null ? null : Math.max(0, concurrency - this.#options.slots.count(taskType))
  }

  #request(limit: number): ClaimRequest {
    const findsDueLeft = this.#options.findsIdle === true || this.#repeatsLeft > 0
    return {
      limit,
      capacity: this.#options.types.map(({ taskType }) => this.#capacityOf(taskType)),
      since: this.#horizon.since(),
      // Closed types, too, may have due tasks.
      closed: findsDueLeft ? [] : this.#limited.closed(),
      findsDueLeft,
    }
  }
}

/** The claim took as many tasks as it asked for, or the result says that it may have left some. */
function mayHaveLeft({ limit }: ClaimRequest, { tasks, isPartial = false }: ClaimResult): boolean {
  return tasks.length === limit || (isPartial && tasks.length > 0)
}
