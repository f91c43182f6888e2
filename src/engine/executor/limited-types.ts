import { isGloballyLimited, type TypeLimits } from '../definition/limits.ts'
import type { LimitedClaimResult } from '../store/claim.ts'

/** A type stays closed this long after tasks of others came first: each claim that includes it locks its row. */
const NOT_NEXT_MS = 50

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
  readonly #pollIntervalMs: number
  readonly #open = new Set<string>()
  readonly #closedUntil = new Map<string, number>()
  readonly #ended = new Set<string>()
  /** Rises when tasks or capacity may have come: a claim in flight may not have seen them. */
  #wakeCount = 0

  constructor(types: readonly TypeLimits[], pollIntervalMs: number) {
    this.#limited = new Set(types.filter(isGloballyLimited).map(({ taskType }) => taskType))
    this.#pollIntervalMs = pollIntervalMs
  }

  has(taskType: string): boolean {
    return this.#limited.has(taskType)
  }

  noteEnd(taskType: string): void {
    if (!this.#limited.has(taskType)) return
    this.#ended.add(taskType)
    this.#open.add(taskType)
  }

  recheck(taskType?: string): void {
    if (taskType === undefined) this.#closedUntil.clear()
    else this.#closedUntil.delete(taskType)
    this.#wakeCount += 1
  }

  openWaiting(taskTypes: readonly string[]): boolean {
    const now = performance.now()
    const opened = taskTypes.filter((taskType) => (this.#closedUntil.get(taskType) ?? 0) <= now)
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
      const closedMs = isFull ? NOT_NEXT_MS : this.#pollIntervalMs
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
