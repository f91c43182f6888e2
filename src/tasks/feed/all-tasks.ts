import type { TaskSummary } from '../../contract/task.ts'
import { isFinished } from '../lifecycle.ts'
import { type AllTasksPosition, type FeedLook, parseSeen } from '../store/feed.ts'
import { Changes } from './changes.ts'
import { SettledIds } from './settled-ids.ts'

/** Unfinished tasks that are looked for by their ids. Of more than this the oldest are let go. */
const MAX_KNOWN = 3_000
/** Changes that are kept for viewers that are a little behind. */
const MAX_KEPT = 5_000

interface Known {
  readonly id: number
  readonly body: string
  readonly task: TaskSummary
}

interface Batch {
  readonly number: number
  readonly tasks: readonly TaskSummary[]
}

/** What all viewers of the whole table share: what is not finished, and what changed lately. */
export class AllTasks {
  readonly changes = new Changes()
  /** Resolves after the first look; rejects when the database cannot be asked. */
  readonly found = Promise.withResolvers<void>()
  viewers = 0
  /** In the order in which they changed. */
  readonly #known = new Map<string, Known>()
  readonly #settled = new SettledIds()
  /** The highest id of the first look, which shows no new ones: whatever is higher is new. */
  #first: number | undefined
  #batches: Batch[] = []
  #kept = 0
  #number = 0

  constructor() {
    this.found.promise.catch(() => {})
  }

  /** Where the next look starts. */
  get wanted(): AllTasksPosition {
    const unfinished = [...this.#known].filter(([, { task }]) => !isFinished(task.status))
    return {
      unfinished: unfinished.map(([taskId]) => taskId),
      afterTask: this.#settled.settled ?? this.#first ?? null,
    }
  }

  /** Counts the batches of changes. */
  get number(): number {
    return this.#number
  }

  get running(): TaskSummary[] {
    return [...this.#known.values()].map(({ task }) => task).filter(({ status }) => status === 'running')
  }

  take(look: FeedLook, nowMs: number): void {
    const changed = [...look.tasks].filter(([taskId, { body }]) => this.#known.get(taskId)?.body !== body)
    changed.sort(([, left], [, right]) => left.id - right.id)
    const tasks: TaskSummary[] = []
    for (const [taskId, seen] of changed) {
      const { attempt: _attempt, ...task } = parseSeen(seen)
      this.#known.delete(taskId)
      this.#known.set(taskId, { ...seen, task })
      tasks.push(task)
    }
    this.#first ??= look.lastTask
    this.#forget(look, this.#settled.see(look.lastTask, look.snapshot, nowMs) ?? 0)
    if (tasks.length > 0) this.#publish(tasks)
    this.found.resolve()
  }

  /** Changes after this batch; undefined where they go further back than what is kept. */
  changedAfter(number: number): readonly TaskSummary[] | undefined {
    const kept = this.#batches[0]?.number ?? this.#number + 1
    if (number < kept - 1) return undefined
    return this.#batches.filter((batch) => batch.number > number).flatMap((batch) => batch.tasks)
  }

  /** Tasks that cannot show up as new once more, and will not change by themselves. */
  #forget(look: FeedLook, settled: number): void {
    for (const [taskId, { id, task }] of this.#known) {
      const isOver = isFinished(task.status) || !look.tasks.has(taskId)
      const isTooMuch = this.#known.size > MAX_KNOWN && task.status !== 'running'
      if ((isOver && id <= settled) || isTooMuch) this.#known.delete(taskId)
    }
  }

  #publish(tasks: readonly TaskSummary[]): void {
    this.#number += 1
    this.#batches.push({ number: this.#number, tasks })
    this.#kept += tasks.length
    while (this.#kept > MAX_KEPT && this.#batches.length > 1)
      this.#kept -= this.#batches.shift()?.tasks.length ?? 0
    this.changes.announce()
  }
}
