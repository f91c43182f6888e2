import { isGloballyLimited, limitsRunning, type TypeLimits } from '../definition/limits.ts'
import type { LimitedClaimResult } from '../store/claim.ts'
import { hasWindow } from '../store/claim-branches.ts'

/** A type stays closed this long after tasks of others came first: each claim that includes it locks its row. */
const NOT_NEXT_MS = 50

/** The same of a type with keys, of which each such claim counts what runs or has started. */
const KEYS_NOT_NEXT_MS = 250

/** A timer may fire this early: the claim then reads the rest. */
const EARLY_MS = 2

export interface LimitedClaim {
  readonly open: ReadonlySet<string>
  readonly ended: ReadonlySet<string>
  readonly wakeCount: number
}

/**
 * Which types with a limit over all processes the next claim includes. A type opens when a claim without it has seen
 * due tasks of it, or one of its tasks has ended here. It closes when a claim has taken what the limit allows, until one of
 * its tasks ends, tasks or capacity may have come, or a poll interval has passed. So no type starves another.
 */
export class LimitedTypes {
  readonly #limited: ReadonlySet<string>
  /** Those of which the end of a task frees a permit. */
  readonly #freedByEnds: ReadonlySet<string>
  /** Those without a permit of their rate until then, by the database's clock. A type with keys may have others. */
  readonly #permitAt = new Map<string, { readonly at: number; readonly keyed: boolean }>()
  /** Those whose starts count by key. */
  readonly #keyed: ReadonlySet<string>
  /** Types with a limit for each key. */
  readonly #withKeys: ReadonlySet<string>
  readonly #pollIntervalMs: number
  readonly #open = new Set<string>()
  readonly #closedUntil = new Map<string, number>()
  readonly #ended = new Set<string>()
  /** Rises when tasks or capacity may have come: a claim in flight may not have seen them. */
  #wakeCount = 0

  constructor(types: readonly TypeLimits[], pollIntervalMs: number) {
    this.#limited = new Set(types.filter(isGloballyLimited).map(({ taskType }) => taskType))
    this.#freedByEnds = new Set(types.filter(limitsRunning).map(({ taskType }) => taskType))
    this.#keyed = new Set(types.filter(({ rate }) => rate?.keyed).map(({ taskType }) => taskType))
    this.#withKeys = new Set(types.filter(hasWindow).map(({ taskType }) => taskType))
    this.#pollIntervalMs = pollIntervalMs
  }

  has(taskType: string): boolean {
    return this.#limited.has(taskType)
  }

  noteEnd(taskType: string): void {
    if (!this.#freedByEnds.has(taskType)) return
    this.#ended.add(taskType)
    this.#open.add(taskType)
  }

  recheck(): void {
    this.#closedUntil.clear()
    this.#wakeCount += 1
  }

  /** Of types whose due tasks wait although the claim has looked for them. */
  notePermits({ open }: LimitedClaim, { seen, waiting, contended, nextPermits }: LimitedClaimResult): void {
    // A type may have the name of what every object inherits, such as `constructor`.
    const known = new Map(Object.entries(nextPermits ?? {}))
    for (const taskType of seen ?? open) {
      const at = known.get(taskType)
      if (at === undefined || !waiting.includes(taskType) || contended.includes(taskType)) continue
      if (at === null) this.#permitAt.delete(taskType)
      else this.#permitAt.set(taskType, { at, keyed: this.#keyed.has(taskType) })
    }
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

  openWaiting(taskTypes: readonly string[]): boolean {
    const now = performance.now()
    const opened = taskTypes.filter(
      (taskType) =>
        (this.#closedUntil.get(taskType) ?? 0) <= now && this.#permitAt.get(taskType)?.keyed !== false,
    )
    for (const taskType of opened) this.#open.add(taskType)
    return opened.length > 0
  }

  /** A plain claim need not report due tasks of these. */
  closed(): string[] {
    const now = performance.now()
    return [...this.#closedUntil]
      .filter(([taskType, until]) => until > now && !this.#open.has(taskType))
      .map(([taskType]) => taskType)
  }

  begin(hasCapacity: (taskType: string) => boolean): LimitedClaim | undefined {
    const open = new Set([...this.#open].filter(hasCapacity))
    if (open.size === 0) return undefined
    const ended = new Set(this.#ended)
    for (const taskType of open) this.#ended.delete(taskType)
    return { open, ended, wakeCount: this.#wakeCount }
  }

  /**
   * Closes the types of a claim that returned. Returns those with a permit released here and waiting tasks, none of
   * which this claim took: other executors may have slots. `isFull`: the claim took as many tasks as it asked for.
   */
  finish({ open, ended, wakeCount }: LimitedClaim, result: LimitedClaimResult, isFull: boolean): string[] {
    const now = performance.now()
    const taken = new Set(result.tasks.map(({ taskType }) => taskType))
    const released: string[] = []
    this.#restoreEnded(result.contended, ended)
    for (const taskType of result.seen ?? open) {
      if (result.contended.includes(taskType)) continue
      if (taken.has(taskType) && isFull) continue
      // The claim took all that the type's limit allows, or was full of tasks of other types, which came first.
      if (!this.#ended.has(taskType)) this.#open.delete(taskType)
      const notNextMs = this.#withKeys.has(taskType) ? KEYS_NOT_NEXT_MS : NOT_NEXT_MS
      const closedMs = isFull ? Math.min(notNextMs, this.#pollIntervalMs) : this.#pollIntervalMs
      if (wakeCount === this.#wakeCount) this.#closedUntil.set(taskType, now + closedMs)
      const isWaiting = result.waiting.includes(taskType)
      if (ended.has(taskType) && !taken.has(taskType) && isWaiting) released.push(taskType)
    }
    return released
  }

  /** Undoes `begin` for a claim that failed: the next one must still see what has ended. */
  restore({ open, ended }: LimitedClaim): void {
    this.#restoreEnded(open, ended)
  }

  #restoreEnded(taskTypes: Iterable<string>, ended: ReadonlySet<string>): void {
    for (const taskType of taskTypes) if (ended.has(taskType)) this.#ended.add(taskType)
  }
}
