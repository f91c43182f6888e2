import type { TasksStreamEvent } from '../../contract/events.ts'
import type { TaskSummary } from '../../contract/task.ts'
import { isFinished } from '../definition/lifecycle.ts'
import type { FleetState } from '../store/changes.ts'
import { type AllTasksPosition, type AllTasksResult, MAX_NEW, parseSeen } from '../store/feed.ts'
import type { Snapshot } from '../store/settled-ids.ts'
import { ChangeLatch } from './change-latch.ts'
import { MissingIds } from './missing-ids.ts'

/** The newest pending tasks, read again by each poll; reports name changes of the others. */
const MAX_PENDING = 500
/** Remembered, so that a report of a published change is ignored. */
const MAX_ENDED = 2_000
const MAX_KEPT = 5_000
const DELETED = ''

interface Known {
  readonly body: string
  readonly task: TaskSummary
  readonly createdBy: string | null
}

interface Published {
  readonly event: TasksStreamEvent
  /** Of its task. Null: none; undefined: unknown. */
  readonly createdBy: string | null | undefined
}

interface Creator {
  viewers: number
  /** Resolves once its running tasks are known. */
  readonly firstRead: PromiseWithResolvers<void>
}

interface Batch {
  readonly number: number
  readonly events: readonly Published[]
}

/**
 * What viewers of all tasks share: unfinished tasks and recent changes. A poll reads running and new tasks, those
 * unfinished before, and reported ones. Where a change may be missed, viewers are disconnected, and read their tasks again.
 */
export class AllTasks {
  readonly changes = new ChangeLatch()
  readonly firstRead = Promise.withResolvers<void>()
  viewers = 0
  nextReportsRequestAt = 0
  watchId: string | undefined
  nextFleetReadAt = 0
  readonly #unfinished = new Map<string, Known>()
  readonly #ended = new Map<string, Pick<Known, 'body' | 'createdBy'>>()
  readonly #creators = new Map<string, Creator>()
  readonly #ids = new MissingIds()
  #snapshot: string | undefined
  #paused: ReadonlySet<string> | undefined
  #dead: ReadonlySet<string> | undefined
  #batches: Batch[] = []
  #keptEvents = 0
  #batchNumber = 0

  constructor() {
    this.firstRead.promise.catch(() => {})
  }

  /** Resolves once all running tasks of this creator are known. Each call needs one of `leave`. */
  enter(createdBy: string): Promise<void> {
    const creator = this.#creators.get(createdBy) ?? { viewers: 0, firstRead: Promise.withResolvers<void>() }
    creator.firstRead.promise.catch(() => {})
    creator.viewers += 1
    this.#creators.set(createdBy, creator)
    return creator.firstRead.promise
  }

  leave(createdBy: string): void {
    const creator = this.#creators.get(createdBy)
    if (!creator) return
    creator.viewers -= 1
    if (creator.viewers === 0) this.#creators.delete(createdBy)
  }

  /** Rejects viewers that wait for their first read. */
  reject(error: unknown): void {
    for (const { firstRead } of [this, ...this.#creators.values()]) firstRead.reject(error)
  }

  get wanted(): AllTasksPosition {
    return {
      unfinished: [...this.#unfinished.keys()],
      afterTask: this.#ids.position ?? null,
      missing: this.#ids.ids,
      snapshot: this.#snapshot ?? null,
      creators: [...this.#creators.keys()],
    }
  }

  get batchNumber(): number {
    return this.#batchNumber
  }

  /** @param createdBy of this creator alone; undefined: of all */
  running(createdBy: string | undefined): TaskSummary[] {
    return [...this.#unfinished.values()]
      .filter((known) => known.task.status === 'running' && isOf(known, createdBy))
      .map(({ task }) => task)
  }

  apply(result: AllTasksResult, snapshot: Snapshot): boolean {
    const events = [...this.#takeTasks(result), ...this.#takeDeleted(result)]
    const found = new Set([...result.tasks.values()].map(({ id }) => id))
    const hasAll = this.#ids.advance(result.newIds, found, result.lastTask, snapshot)
    this.#snapshot = result.snapshot
    if (events.length > 0) this.#publish(events)
    if (!result.hasAllChanges || !hasAll) this.disconnectViewers()
    this.#forget()
    this.firstRead.resolve()
    for (const createdBy of result.creators) this.#creators.get(createdBy)?.firstRead.resolve()
    return result.newIds.length >= MAX_NEW
  }

  applyFleet({ paused, dead }: FleetState): void {
    const events = [...this.#takePauses(paused)]
    if (events.length > 0) this.#publish(events)
    if (this.#isNewlyDead(dead)) this.disconnectViewers()
  }

  /**
   * Events after this batch; undefined where some are no longer kept, or where a deleted task may have been this creator's.
   *
   * @param createdBy only of tasks that this user has created; undefined: all
   */
  eventsAfter(batchNumber: number, createdBy: string | undefined): readonly TasksStreamEvent[] | undefined {
    const firstKept = this.#batches[0]?.number ?? this.#batchNumber + 1
    if (batchNumber < firstKept - 1) return undefined
    const events = this.#batches
      .filter((batch) => batch.number > batchNumber)
      .flatMap((batch) => batch.events)
    if (createdBy !== undefined && events.some((published) => published.createdBy === undefined)) {
      return undefined
    }
    return events.filter((published) => isOf(published, createdBy)).map(({ event }) => event)
  }

  /** Drops the batches, so that `eventsAfter` returns undefined to every viewer. */
  disconnectViewers(): void {
    this.#batchNumber += 1
    this.#batches = []
    this.#keptEvents = 0
    this.changes.announce()
  }

  *#takeTasks(result: AllTasksResult): Generator<Published> {
    const changed = [...result.tasks].filter(([taskId, { body }]) => this.#find(taskId)?.body !== body)
    changed.sort(([, left], [, right]) => left.id - right.id)
    for (const [taskId, seen] of changed) {
      const { attempt: _attempt, changedAt: _changedAt, createdBy, ...task } = parseSeen(seen)
      this.#remember(taskId, { body: seen.body, task, createdBy })
      yield { event: { type: 'task', task }, createdBy }
    }
  }

  *#takeDeleted(result: AllTasksResult): Generator<Published> {
    for (const taskId of new Set([...this.#unfinished.keys(), ...result.changed.keys()])) {
      const known = this.#find(taskId)
      if (result.tasks.has(taskId) || known?.body === DELETED) continue
      this.#remember(taskId, undefined)
      // Unknown if an earlier version deleted a task that is not remembered here.
      const createdBy = known ? known.createdBy : result.changed.get(taskId)
      yield { event: { type: 'deleted', taskId }, createdBy }
    }
  }

  *#takePauses(taskTypes: readonly string[]): Generator<Published> {
    const now = new Set(taskTypes)
    const before = this.#paused ?? now
    this.#paused = now
    const published = (taskType: string, paused: boolean): Published => ({
      event: { type: 'type', taskType, paused },
      createdBy: null,
    })
    for (const taskType of now) if (!before.has(taskType)) yield published(taskType, true)
    for (const taskType of before) if (!now.has(taskType)) yield published(taskType, false)
  }

  /** A dead executor may have ended tasks without a report. */
  #isNewlyDead(executorIds: readonly string[]): boolean {
    const before = this.#dead
    this.#dead = new Set(executorIds)
    return before !== undefined && executorIds.some((id) => !before.has(id))
  }

  #find(taskId: string): Pick<Known, 'body' | 'createdBy'> | undefined {
    return this.#unfinished.get(taskId) ?? this.#ended.get(taskId)
  }

  #remember(taskId: string, known: Known | undefined): void {
    this.#unfinished.delete(taskId)
    this.#ended.delete(taskId)
    if (known && !isFinished(known.task.status)) this.#unfinished.set(taskId, known)
    else this.#ended.set(taskId, { body: known?.body ?? DELETED, createdBy: known?.createdBy ?? null })
  }

  #forget(): void {
    const pending = [...this.#unfinished].filter(([, { task }]) => task.status !== 'running')
    for (const [taskId] of pending.slice(0, -MAX_PENDING)) this.#unfinished.delete(taskId)
    const surplus = Math.max(0, this.#ended.size - MAX_ENDED)
    for (const taskId of [...this.#ended.keys()].slice(0, surplus)) this.#ended.delete(taskId)
  }

  #publish(events: readonly Published[]): void {
    this.#batchNumber += 1
    this.#batches.push({ number: this.#batchNumber, events })
    this.#keptEvents += events.length
    while (this.#keptEvents > MAX_KEPT && this.#batches.length > 1)
      this.#keptEvents -= this.#batches.shift()?.events.length ?? 0
    this.changes.announce()
  }
}

function isOf(known: Pick<Published, 'createdBy'>, createdBy: string | undefined): boolean {
  return createdBy === undefined || known.createdBy === createdBy
}
