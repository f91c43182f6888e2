import { isLimited, type TypeLimits } from '../definition/limits.ts'
import type { LimitedClaimResult } from '../store/claim.ts'

/** How long a limited type is left out that was not next in the order: its claim costs a transaction. */
const NOT_NEXT_MS = 50

/** A claim of limited types in flight, as it was sent. */
export interface LimitedClaim {
  readonly open: ReadonlySet<string>
  readonly ended: ReadonlySet<string>
  readonly hints: number
}

/**
 * Which types with a limit over all processes the next claim includes. A type is open once a plain claim has seen due
 * tasks of it, or a task of it has ended here. After a claim has taken what the limit allows, the type is closed until
 * one of its tasks ends, tasks or capacity may have come, or a poll interval has passed. So no type starves another, and
 * an executor without such types pays nothing for them.
 */
export class LimitedTypes {
  readonly #limited: ReadonlySet<string>
  readonly #pollIntervalMs: number
  readonly #open = new Set<string>()
  /** When a closed type may be opened again. */
  readonly #closedUntil = new Map<string, number>()
  /** Types of which a task has ended here since they were last claimed. */
  readonly #ended = new Set<string>()
  /** Rises when tasks or capacity may have come: a claim in flight may not have seen them. */
  #hints = 0

  constructor(types: readonly TypeLimits[], pollIntervalMs: number) {
    this.#limited = new Set(types.filter(isLimited).map(({ taskType }) => taskType))
    this.#pollIntervalMs = pollIntervalMs
  }

  has(taskType: string): boolean {
    return this.#limited.has(taskType)
  }

  /** A task of this type has ended here, which released a permit. */
  noteEnd(taskType: string): void {
    if (!this.#limited.has(taskType)) return
    this.#ended.add(taskType)
    this.#open.add(taskType)
  }

  /** Tasks or capacity may have come: of this type, or of any. */
  recheck(taskType?: string): void {
    if (taskType === undefined) this.#closedUntil.clear()
    else this.#closedUntil.delete(taskType)
    this.#hints += 1
  }

  /** Opens types with due tasks that are not closed, and returns whether there are any. */
  openWaiting(taskTypes: readonly string[]): boolean {
    const now = performance.now()
    const opened = taskTypes.filter((taskType) => (this.#closedUntil.get(taskType) ?? 0) <= now)
    for (const taskType of opened) this.#open.add(taskType)
    return opened.length > 0
  }

  /** Closed types: a plain claim need not report their due tasks. */
  closed(): string[] {
    const now = performance.now()
    return [...this.#closedUntil]
      .filter(([taskType, until]) => until > now && !this.#open.has(taskType))
      .map(([taskType]) => taskType)
  }

  /** Begins a claim of the open types with capacity; undefined where there are none. */
  begin(hasCapacity: (taskType: string) => boolean): LimitedClaim | undefined {
    const open = new Set([...this.#open].filter(hasCapacity))
    if (open.size === 0) return undefined
    const ended = new Set(this.#ended)
    for (const taskType of open) this.#ended.delete(taskType)
    return { open, ended, hints: this.#hints }
  }

  /**
   * Closes the types of a claim that returned, and returns those whose released permit nobody here took although tasks
   * wait: other executors may have slots. `isFull`: it took as many tasks as it asked for.
   */
  end({ open, ended, hints }: LimitedClaim, result: LimitedClaimResult, isFull: boolean): string[] {
    const now = performance.now()
    const taken = new Set(result.tasks.map(({ taskType }) => taskType))
    const released: string[] = []
    for (const taskType of result.seen ?? open) {
      if (result.busy.includes(taskType)) {
        if (ended.has(taskType)) this.#ended.add(taskType)
        continue
      }
      if (taken.has(taskType) && isFull) continue
      // Otherwise it took all that the limit allows, or other types came first and took every slot.
      if (!this.#ended.has(taskType)) this.#open.delete(taskType)
      const closedMs = isFull ? NOT_NEXT_MS : this.#pollIntervalMs
      if (hints === this.#hints) this.#closedUntil.set(taskType, now + closedMs)
      const isWaiting = result.waiting.includes(taskType)
      if (ended.has(taskType) && !taken.has(taskType) && isWaiting) released.push(taskType)
    }
    return released
  }
}
