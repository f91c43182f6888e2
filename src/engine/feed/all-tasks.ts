import type { TasksStreamEvent } from '../../contract/events.ts'
import type { TaskSummary } from '../../contract/task.ts'
import { isFinished } from '../definition/lifecycle.ts'
import type { FleetState } from '../store/changes.ts'
import { type AllTasksPosition, type AllTasksResult, MAX_NEW, parseSeen } from '../store/feed.ts'
import type { Snapshot } from '../store/settled-ids.ts'
import { ChangeCount } from './change-count.ts'
import { OpenGaps } from './open-gaps.ts'

/** Each poll reads so many pending tasks again, those that changed last; reports name changes of the others. */
const MAX_PENDING = 500
/** So many ended tasks are remembered, so that a report of a change that was published is ignored. */
const MAX_ENDED = 2_000
/** Viewers that lag behind by more events are disconnected. */
const MAX_KEPT_EVENTS = 5_000
const DELETED = ''

interface Known {
  /** What the poll read, as text: another text means a change. */
  readonly body: string
  readonly task: TaskSummary
  readonly createdBy: string | null
}

interface Published {
  readonly event: TasksStreamEvent
  /** Who created its task. Null: nobody, or it is no event of a task; undefined: not known. */
  readonly createdBy: string | null | undefined
}

/** Viewers of one creator's tasks. */
interface CreatorViewers {
  viewers: number
  /** Resolves once that creator's running tasks are known. */
  readonly firstRead: PromiseWithResolvers<void>
}

/** What one poll has found. */
interface Publication {
  readonly number: number
  readonly events: readonly Published[]
}

/**
 * What viewers of all tasks share: unfinished tasks and recent changes. A poll reads running and new tasks, those that were
 * unfinished at the last poll, and reported ones. If it may have missed a change, it disconnects the viewers; they open the
 * stream again and read all tasks anew.
 */
export class AllTasks {
  readonly changes = new ChangeCount()
  readonly firstRead = Promise.withResolvers<void>()
  viewers = 0
  nextReportsRequestAt = 0
  /** Of the request for reports. */
  requestId: string | undefined
  nextFleetReadAt = 0
  readonly #unfinished = new Map<string, Known>()
  readonly #ended = new Map<string, Pick<Known, 'body' | 'createdBy'>>()
  readonly #creators = new Map<string, CreatorViewers>()
  readonly #gaps = new OpenGaps()
  #snapshot: string | undefined
  #paused: ReadonlySet<string> | undefined
  #dead: ReadonlySet<string> | undefined
  #publications: Publication[] = []
  #keptEvents = 0
  #publicationNumber = 0

  constructor() {
    this.firstRead.promise.catch(() => {})
  }

  /** Resolves once all running tasks of this creator are known. Call `leave` once for each call. */
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
      afterTask: this.#gaps.position ?? null,
      openGaps: this.#gaps.ids,
      snapshot: this.#snapshot ?? null,
      creators: [...this.#creators.keys()],
    }
  }

  get publicationNumber(): number {
    return this.#publicationNumber
  }

  /** @param createdBy the creator whose tasks to return; undefined: all tasks */
  running(createdBy: string | undefined): TaskSummary[] {
    return [...this.#unfinished.values()]
      .filter((known) => known.task.status === 'running' && isOf(known, createdBy))
      .map(({ task }) => task)
  }

  /** Takes the result of a poll. Returns whether another poll is to follow at once. */
  apply(result: AllTasksResult, snapshot: Snapshot): boolean {
    const events = [...this.#takeTasks(result), ...this.#takeDeleted(result)]
    const found = new Set([...result.tasks.values()].map(({ id }) => id))
    const hasAllNew = this.#gaps.advance(result.newIds, found, result.readFrom, snapshot)
    this.#snapshot = result.snapshot
    if (events.length > 0) this.#publish(events)
    if (!result.hasAllReports || !hasAllNew) this.disconnectViewers()
    this.#trim()
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
   * Events after this publication; undefined if some are no longer kept, or if a deleted task may have been this creator's.
   *
   * @param createdBy the creator of whose tasks to return events; undefined: all events
   */
  eventsAfter(
    publicationNumber: number,
    createdBy: string | undefined,
  ): readonly TasksStreamEvent[] | undefined {
    const firstKept = this.#publications[0]?.number ?? this.#publicationNumber + 1
    if (publicationNumber < firstKept - 1) return undefined
    const events = this.#publications
      .filter(({ number }) => number > publicationNumber)
      .flatMap(({ events }) => events)
    if (createdBy !== undefined && events.some((published) => published.createdBy === undefined)) {
      return undefined
    }
    return events.filter((published) => isOf(published, createdBy)).map(({ event }) => event)
  }

  /** Drops the events, so that `eventsAfter` returns undefined to every viewer, whose stream then ends. */
  disconnectViewers(): void {
    this.#publicationNumber += 1
    this.#publications = []
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
    for (const taskId of new Set([...this.#unfinished.keys(), ...result.reported.keys()])) {
      const known = this.#find(taskId)
      if (result.tasks.has(taskId) || known?.body === DELETED) continue
      this.#rememberDeleted(taskId)
      // Not known if an earlier version of this library deleted a task that is not remembered here.
      const createdBy = known ? known.createdBy : result.reported.get(taskId)
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

  #remember(taskId: string, known: Known): void {
    // Deleted first: the one that changed last comes last.
    this.#unfinished.delete(taskId)
    this.#ended.delete(taskId)
    const { body, task, createdBy } = known
    if (isFinished(task.status)) this.#ended.set(taskId, { body, createdBy })
    else this.#unfinished.set(taskId, known)
  }

  #rememberDeleted(taskId: string): void {
    this.#unfinished.delete(taskId)
    this.#ended.delete(taskId)
    this.#ended.set(taskId, { body: DELETED, createdBy: null })
  }

  #trim(): void {
    const pending = [...this.#unfinished].filter(([, { task }]) => task.status !== 'running')
    for (const [taskId] of pending.slice(0, -MAX_PENDING)) this.#unfinished.delete(taskId)
    const surplus = Math.max(0, this.#ended.size - MAX_ENDED)
    for (const taskId of [...this.#ended.keys()].slice(0, surplus)) this.#ended.delete(taskId)
  }

  #publish(events: readonly Published[]): void {
    this.#publicationNumber += 1
    this.#publications.push({ number: this.#publicationNumber, events })
    this.#keptEvents += events.length
    while (this.#keptEvents > MAX_KEPT_EVENTS && this.#publications.length > 1)
      this.#keptEvents -= this.#publications.shift()?.events.length ?? 0
    this.changes.announce()
  }
}

function isOf(known: Pick<Published, 'createdBy'>, createdBy: string | undefined): boolean {
  return createdBy === undefined || known.createdBy === createdBy
}
