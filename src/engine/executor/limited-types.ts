import { isGloballyLimited, limitsRunning, type TypeLimits } from '../definition/limits.ts'
import type { LimitedClaimResult } from '../store/claim.ts'
import { ratedTypes } from '../store/rates.ts'

/**
 * A type stays closed this many times as long as its claim took, if tasks of other types came first or all keys with due
 * tasks lack a permit. So such claims, which lock and count, take about a hundredth of the time, unless they are slow.
 */
const CLOSED_PER_CLAIM = 100

/** After a claim that stalled, a new key does not wait for long. */
const MAX_CLOSED_MS = 1_000

/** While claims also take tasks of other types, one serves many permits, late by at most this share of the window. */
const MAX_LATE_SHARE = 0.02

/** A timer may fire this early. */
const EARLY_MS = 2

/** By `performance.now()`. */
interface Closed {
  readonly until: number
  /** A recheck ends it no earlier, unless it names the type. */
  readonly atLeastUntil: number
}

export interface LimitedClaim {
  readonly open: ReadonlySet<string>
  readonly ended: ReadonlySet<string>
  readonly wakeCount: number
}

export interface FinishedClaim {
  /** It may have left tasks that it could have taken: it was full, for example. */
  readonly mayHaveLeft: boolean
  readonly tookMs: number
}

/**
 * Which types with a limit over all processes the next claim includes. A type is in one of three states:
 * - open: the next claim locks it and takes its tasks. It opens when a claim without it has seen due tasks of it, one of
 *   its tasks has ended here, or a permit of its rate has returned. An open type may be listed as closed, too;
 * - closed, until an instant: claims do not look for its due tasks. It closes when a claim has taken what the limit allows;
 * - neither, as at first and when a recheck or that instant has ended the closing: due tasks open it.
 * So no type starves another.
 */
export class LimitedTypes {
  readonly #limited: ReadonlySet<string>
  /** Those of which the end of a task frees a permit. */
  readonly #freedByEnds: ReadonlySet<string>
  /** When the next permit of their rate returns, by the database's clock. Other keys of a type may have permits. */
  readonly #permitAt = new Map<string, { readonly at: number; readonly keyed: boolean }>()
  /** Those whose starts count by key. */
  readonly #keyed: ReadonlySet<string>
  /** Of their rate. */
  readonly #windowMs: ReadonlyMap<string, number>
  readonly #pollIntervalMs: number
  readonly #claimAfter: (ms: number) => void
  readonly #open = new Set<string>()
  readonly #closed = new Map<string, Closed>()
  readonly #ended = new Set<string>()
  /** Types whose tasks have come since their last claim began. */
  readonly #withNews = new Set<string>()
  /** Rises when tasks or capacity may have come: a claim in flight may not have seen them. */
  #wakeCount = 0

  /** @param claimAfter plans a claim, for a type that may open then */
  constructor(types: readonly TypeLimits[], pollIntervalMs: number, claimAfter: (ms: number) => void) {
    this.#limited = new Set(types.filter(isGloballyLimited).map(({ taskType }) => taskType))
    this.#freedByEnds = new Set(types.filter(limitsRunning).map(({ taskType }) => taskType))
    const rated = ratedTypes(types)
    this.#keyed = new Set(rated.flatMap(({ taskType, rate }) => (rate.keyed ? [taskType] : [])))
    this.#windowMs = new Map(rated.map(({ taskType, rate }) => [taskType, rate.windowMs]))
    this.#pollIntervalMs = pollIntervalMs
    this.#claimAfter = claimAfter
  }

  has(taskType: string): boolean {
    return this.#limited.has(taskType)
  }

  /** Opens the type if the end of its runs frees a permit. */
  noteEnd(taskType: string): void {
    if (!this.#freedByEnds.has(taskType)) return
    this.#ended.add(taskType)
    this.#open.add(taskType)
  }

  /** @param taskTypes those whose tasks have come; others may have, too */
  recheck(taskTypes: readonly string[]): void {
    const now = performance.now()
    this.#wakeCount += 1
    for (const taskType of taskTypes) {
      if (!this.has(taskType)) continue
      this.#withNews.add(taskType)
      this.#closed.delete(taskType)
    }
    for (const [taskType, { until, atLeastUntil }] of this.#closed) {
      if (atLeastUntil <= now) this.#closed.delete(taskType)
      else if (until > atLeastUntil) this.#closeBriefly(taskType, atLeastUntil, now)
    }
  }

  #closeBriefly(taskType: string, until: number, now: number): void {
    this.#closed.set(taskType, { until, atLeastUntil: until })
    this.#claimAfter(until - now)
  }

  /** When the first of these permits is free, by the database's clock. */
  get nextPermitAt(): number | undefined {
    const all = [...this.#permitAt.values()].map(({ at }) => at)
    return all.length > 0 ? Math.min(...all) : undefined
  }

  forgetPermits(): void {
    this.#permitAt.clear()
  }

  /** Opens types whose next permit is free. */
  openPermitted(databaseNow: number): void {
    for (const [taskType, { at }] of this.#permitAt) {
      if (at > databaseNow + EARLY_MS) continue
      this.#permitAt.delete(taskType)
      this.#open.add(taskType)
    }
  }

  /** These have due tasks: opens those that are not closed. Returns whether there were any. */
  openWaiting(taskTypes: readonly string[]): boolean {
    const now = performance.now()
    const opened = taskTypes.filter((taskType) => this.#mayOpen(taskType, now))
    for (const taskType of opened) this.#open.add(taskType)
    return opened.length > 0
  }

  /** Due tasks of these would not open them: a plain claim need not report them. */
  closed(): string[] {
    const now = performance.now()
    return [...this.#limited].filter((taskType) => !this.#open.has(taskType) && !this.#mayOpen(taskType, now))
  }

  #mayOpen(taskType: string, now: number): boolean {
    // Of a rate without keys, nothing but the next permit helps.
    const lacksPermit = this.#permitAt.get(taskType)?.keyed === false
    return !lacksPermit && (this.#closed.get(taskType)?.until ?? 0) <= now + EARLY_MS
  }

  /** Which types the next claim takes tasks of; undefined: none. They stay open until `finish`. */
  begin(hasCapacity: (taskType: string) => boolean): LimitedClaim | undefined {
    const open = new Set([...this.#open].filter(hasCapacity))
    if (open.size === 0) return undefined
    const ended = new Set(this.#ended)
    for (const taskType of open) {
      this.#ended.delete(taskType)
      this.#withNews.delete(taskType)
    }
    return { open, ended, wakeCount: this.#wakeCount }
  }

  /**
   * Closes the types of a claim that returned. Returns those with a permit released here and waiting tasks, none of
   * which this claim took: other executors may have slots.
   */
  finish(claim: LimitedClaim, result: LimitedClaimResult, finished: FinishedClaim): string[] {
    const { open, ended } = claim
    const taken = new Set(result.tasks.map(({ taskType }) => taskType))
    const released: string[] = []
    this.#restoreEnded(result.contended, ended)
    this.#notePermits(claim, result, finished.tookMs)
    for (const taskType of result.seen ?? open) {
      if (result.contended.includes(taskType)) continue
      const lacksPermits = this.#lacksPermits(taskType, result)
      if (taken.has(taskType) && finished.mayHaveLeft && !lacksPermits) continue
      // It took all that the limit allows, keys lack permits, nothing is due, or tasks of other types came first.
      if (!this.#ended.has(taskType)) this.#open.delete(taskType)
      if (!this.#withNews.has(taskType)) this.#close(taskType, claim, { ...finished, lacksPermits })
      const isWaiting = result.waiting.includes(taskType)
      if (ended.has(taskType) && !taken.has(taskType) && isWaiting) released.push(taskType)
    }
    return released
  }

  #close(
    taskType: string,
    { wakeCount }: LimitedClaim,
    { mayHaveLeft, tookMs, lacksPermits }: FinishedClaim & { readonly lacksPermits: boolean },
  ): void {
    const now = performance.now()
    const briefMs = Math.min(closedAfter(tookMs), this.#pollIntervalMs)
    const othersCameFirst = mayHaveLeft && !lacksPermits
    const until = now + (othersCameFirst ? briefMs : this.#pollIntervalMs)
    const atLeastUntil = lacksPermits ? now + briefMs : now
    // A recheck during the claim leaves the type unclosed: its tasks may have come too late for the claim.
    if (wakeCount === this.#wakeCount) {
      this.#closed.set(taskType, { until, atLeastUntil })
      if (othersCameFirst) this.#claimAfter(briefMs)
    } else if (lacksPermits) this.#closeBriefly(taskType, atLeastUntil, now)
  }

  /** Of types that had due tasks when the claim looked for them. */
  #notePermits({ open }: LimitedClaim, result: LimitedClaimResult, tookMs: number): void {
    const { tasks, seen, waiting, contended, nextPermits } = result
    for (const taskType of seen ?? open) {
      const next = nextPermits?.get(taskType)
      if (!next || !waiting.includes(taskType) || contended.includes(taskType)) continue
      if (next.at === null) {
        this.#permitAt.delete(taskType)
        continue
      }
      const isShared = tasks.some((task) => task.taskType !== taskType)
      const windowMs = this.#windowMs.get(taskType) ?? 0
      const lateMs = isShared ? Math.min(closedAfter(tookMs), MAX_LATE_SHARE * windowMs) : 0
      const at = Math.max(next.at, Math.min(result.at + tookMs, next.at) + lateMs)
      this.#permitAt.set(taskType, { at, keyed: this.#keyed.has(taskType) })
    }
  }

  /** Tasks are due, and none of their keys has a permit of its rate. */
  #lacksPermits(taskType: string, { nextPermits }: LimitedClaimResult): boolean {
    const next = this.#keyed.has(taskType) ? nextPermits?.get(taskType) : undefined
    return next?.isHeld === true && !next.isLeft
  }

  /** For a claim that failed: the next one must still know which types had ends. The types are still open. */
  restoreEnds({ open, ended }: LimitedClaim): void {
    this.#restoreEnded(open, ended)
  }

  #restoreEnded(taskTypes: Iterable<string>, ended: ReadonlySet<string>): void {
    for (const taskType of taskTypes) if (ended.has(taskType)) this.#ended.add(taskType)
  }
}

function closedAfter(tookMs: number): number {
  return Math.min(CLOSED_PER_CLAIM * tookMs, MAX_CLOSED_MS)
}
