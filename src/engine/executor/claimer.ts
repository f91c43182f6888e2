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
import { forgetStarts, ratedTypes } from '../store/rates.ts'
import { ClaimHorizon } from './claim-horizon.ts'
import type { DueTimer } from './due-timer.ts'
import { type LimitedClaim, LimitedTypes } from './limited-types.ts'
import type { Slots } from './slots.ts'

/** At a low rate, one claim serves all slots freed within this time. */
const DEBOUNCE_MS = 50

const FORGET_STARTS_MS = 60_000

/** Claims in a row at a due time that find tasks due and take none, for about a second: their rows may be locked. */
const MAX_REPEATS = 20

/**
 * `now`: more tasks are likely. `soon`: locked rows may be free in a moment. `later`: with the next wake-up, timer or poll.
 */
export type NextClaim = 'now' | 'soon' | 'later'

export interface Claimed {
  readonly tasks: readonly ClaimedTask[]
  readonly next: NextClaim
  /** Nothing is due, of any type. False: something is, or the claim has not read it. */
  readonly isIdle: boolean
}

export interface ClaimerOptions {
  readonly db: Database
  readonly executorId: string
  readonly types: readonly TypeLimits[]
  readonly slots: Slots
  readonly pollIntervalMs: number
  /** Claims find out whether nothing is due: polls are then further apart. Default false. */
  readonly findsIdle?: boolean
  readonly dueTimer: DueTimer
  /** For permits of rate limits. */
  readonly permitTimer: DueTimer
  /** Claimed tasks come with their trace context. Default false. */
  readonly isTraced?: boolean
  /** Permits of these types were released here and tasks of them wait, but this executor took no task: others may. */
  onCapacityReleased(taskTypes: readonly string[]): void
  /** A claim at the due time of tasks or permits filled all free slots: more tasks may wait. */
  onManyDue(): void
  readonly wakeUp: Pick<WakeUp, 'notify' | 'notifyAfter'>
}

/** Decides what a claim asks for: of which types, how many of each, due since when. */
export class Claimer {
  readonly #options: ClaimerOptions
  readonly #claims: TypeClaims
  readonly #types: ReadonlyMap<string, TypeLimits>
  readonly #limited: LimitedTypes
  readonly #horizon: ClaimHorizon
  /** Claims of types with `concurrency` lock rows for a moment that they may not take: other claims skip those. */
  readonly mayHideRows: boolean
  #repeatsLeft = 0
  #nextForget = 0
  /** One task or none, and it was not full. */
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
    this.#horizon = new ClaimHorizon({ db, types, isBounded: !hasMany, wakeUp })
    this.mayHideRows = types.some((type) => type.concurrency !== null && !isGloballyLimited(type))
  }

  isGloballyLimited(taskType: string): boolean {
    return this.#limited.has(taskType)
  }

  /** The end of a task lets another one of the type run. A permit of a rate returns with time alone. */
  freesPermit(taskType: string): boolean {
    const type = this.#types.get(taskType)
    return type === undefined || type.concurrency !== null || limitsRunning(type)
  }

  noteEnd(taskType: string): void {
    this.#limited.noteEnd(taskType)
  }

  /** Claims at once if all slots were busy, the end frees a permit, or there is a backlog; otherwise debounces. */
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
   * Tasks or permits may have come: the next claims look at limited types that were closed, too. `taskTypes`: those
   * whose tasks have come, as far as is known.
   */
  recheck(taskTypes: readonly string[] = []): void {
    this.#limited.recheck(taskTypes)
  }

  /** Tasks that were due long ago may have become claimable: the next claims read all due tasks. */
  rescan(): void {
    this.recheck()
    // The database's clock may have been set.
    this.#limited.forgetPermits()
    this.#horizon.reset()
  }

  async claim(limit: number): Promise<Claimed> {
    const { dueTimer, permitTimer } = this.#options
    this.#horizon.probe()
    const isDue = dueTimer.takeFired()
    const isPermitted = permitTimer.takeFired()
    if (isDue) this.#repeatsLeft = MAX_REPEATS
    dueTimer.begin()
    this.#limited.openPermitted(dueTimer.databaseNow)
    const request = this.#request(limit)
    const limitedClaim = this.#limited.begin((taskType) => this.#capacityOf(taskType) !== 0)
    const claimed = await (limitedClaim
      ? this.#claimLimited(request, limitedClaim)
      : this.#claimPlain(request))
    if ((isDue || isPermitted) && claimed.tasks.length === limit) this.#options.onManyDue()
    if (claimed.tasks.length > 0) this.#horizon.noteTaken()
    this.#lastClaimFoundFew = claimed.tasks.length < Math.min(limit, 2)
    return claimed
  }

  async whenIdle(): Promise<void> {
    await this.#horizon.whenIdle()
  }

  async #claimPlain(request: ClaimRequest): Promise<Claimed> {
    const { epoch } = this.#horizon
    const begun = performance.now()
    const result = await this.#claims.claim(request)
    this.#horizon.record(request, result, performance.now() - begun, epoch)
    this.#readDue(result, begun)
    const hasOpened = this.#openWaiting(result.waiting)
    const { since, capacity } = request
    const isAll = since.every((one) => one === null) && !capacity.includes(0)
    return {
      tasks: result.tasks,
      next: mayHaveLeft(request, result) || hasOpened ? 'now' : this.#mustRepeat(result) ? 'soon' : 'later',
      isIdle: isAll && result.isDueLeft === false && result.waiting.length === 0,
    }
  }

  async #claimLimited(request: ClaimRequest, claim: LimitedClaim): Promise<Claimed> {
    const begun = performance.now()
    const result = await this.#claims.claimLimited(request, claim.open).catch((error: unknown) => {
      this.#limited.restore(claim)
      throw error
    })
    const hasLeft = mayHaveLeft(request, result)
    const finished = { mayHaveLeft: hasLeft, tookMs: performance.now() - begun }
    const released = this.#limited.finish(claim, result, finished)
    this.#readDue(result, begun)
    this.#forgetStarts()
    if (released.length > 0) this.#options.onCapacityReleased(released)
    // Opens others here, too: while a type has a long backlog, there is no plain claim.
    const hasOpened = this.#openWaiting(result.waiting.filter((taskType) => !claim.open.has(taskType)))
    const isSoon = result.contended.length > 0 || (result.tasks.length === 0 && this.#repeatsLeft > 0)
    this.#repeatsLeft = Math.max(0, this.#repeatsLeft - 1)
    return {
      tasks: result.tasks,
      next: hasLeft || hasOpened ? 'now' : isSoon ? 'soon' : 'later',
      isIdle: false,
    }
  }

  /** A task that became due may have been locked, as by a change of it. Each claim uses up one repeat. */
  #mustRepeat({ isDueLeft }: ClaimResult): boolean {
    this.#repeatsLeft = isDueLeft ? this.#repeatsLeft - 1 : 0
    return this.#repeatsLeft > 0
  }

  #forgetStarts(): void {
    const now = performance.now()
    if (now < this.#nextForget) return
    this.#nextForget = now + FORGET_STARTS_MS
    const rated = ratedTypes(this.#options.types)
    if (rated.length > 0) forgetStarts(this.#options.db, rated).catch(() => {})
  }

  #readDue({ at, nextDueAt }: ClaimResult, sentAt: number): void {
    const { dueTimer, permitTimer } = this.#options
    const reading = { sentAt, receivedAt: performance.now(), at }
    dueTimer.read({ ...reading, nextDueAt })
    permitTimer.read({ ...reading, nextDueAt: this.#limited.nextPermitAt ?? null })
  }

  #openWaiting(waiting: readonly string[]): boolean {
    return this.#limited.openWaiting(waiting.filter((taskType) => this.#capacityOf(taskType) !== 0))
  }

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
      // Whether anything is due concerns these, too.
      closed: findsDueLeft ? [] : this.#limited.closed(),
      findsDueLeft,
    }
  }
}

/** It took all that it asked for, or says itself that it may have left some. */
function mayHaveLeft({ limit }: ClaimRequest, { tasks, isPartial = false }: ClaimResult): boolean {
  return tasks.length === limit || (isPartial && tasks.length > 0)
}
