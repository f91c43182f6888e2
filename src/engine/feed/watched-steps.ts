import { MAX_SHOWN_STEPS, type TaskDetail, type TaskStep } from '../../contract/task.ts'
import { type SeenStep, STEP_LOOK_BACK_MS } from '../store/feed.ts'

/** The steps of a watched task that were finished since it was first read. */
export class WatchedSteps {
  /** Ids that polls read again, with the time at which they were first seen. */
  readonly #recentIds = new Map<number, number>()
  #after: number | undefined
  #events: TaskStep[] = []
  #dropped = 0

  /** The id after which polls read steps; null before the first poll. It trails by the look-back. */
  get after(): number | null {
    return this.#after ?? null
  }

  /** How many steps were published: the position of a viewer that has received all of them. */
  get count(): number {
    return this.#dropped + this.#events.length
  }

  /** The steps after a position. A viewer that is far behind gets the newest ones, as in a detail. */
  afterPosition(position: number): readonly TaskStep[] {
    return this.#events.slice(Math.max(0, position - this.#dropped))
  }

  /**
   * Returns the steps that no poll has seen before. The first poll only notes where to begin. The second also returns those
   * of the look-back, some of which the detail contains: `stepsMissingIn` removes them.
   *
   * @param last at the first poll, the id after which to read
   */
  record(seen: readonly SeenStep[], last: number | undefined, nowMs: number): TaskStep[] {
    if (this.#after === undefined) {
      this.#after = last
      return []
    }
    const found = seen.filter(({ id }) => !this.#recentIds.has(id))
    for (const { id } of found) this.#recentIds.set(id, nowMs)
    for (const [id, atMs] of this.#recentIds) {
      if (nowMs - atMs < STEP_LOOK_BACK_MS) continue
      this.#after = Math.max(this.#after, id)
      this.#recentIds.delete(id)
    }
    return found.map(({ step }) => step)
  }

  publish(steps: readonly TaskStep[]): void {
    this.#events.push(...steps)
    const surplus = Math.max(0, this.#events.length - MAX_SHOWN_STEPS)
    this.#events.splice(0, surplus)
    this.#dropped += surplus
  }
}

/** The steps that the detail does not contain. */
export function stepsMissingIn(detail: TaskDetail, steps: readonly TaskStep[]): TaskStep[] {
  const known = new Set(detail.steps.map(keyOf))
  return steps.filter((step) => !known.has(keyOf(step)))
}

export function withSteps(detail: TaskDetail, added: readonly TaskStep[]): TaskDetail {
  const steps = [...detail.steps, ...added].slice(-MAX_SHOWN_STEPS)
  return { ...detail, steps, stepCount: detail.stepCount + added.length }
}

function keyOf({ name, attempt, endedAt }: TaskStep): string {
  return `${attempt} ${endedAt.getTime()} ${name}`
}
