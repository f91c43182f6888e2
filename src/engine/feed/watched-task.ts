import type { TaskDetail, TaskLogLine } from '../../contract/task.ts'
import { isFinished } from '../definition/lifecycle.ts'
import type { Redaction } from '../definition/redaction.ts'
import { type FeedResult, parseSeen, type SeenSummary } from '../store/feed.ts'
import { SettledIds } from '../store/settled-ids.ts'
import { ChangeCount } from './change-count.ts'
import { stepsMissingIn, WatchedSteps, withSteps } from './watched-steps.ts'

export const LINES_PER_POLL = 500
/** Kept for viewers that are a little behind; others read the log from the database. */
const MAX_RECENT_LINES = 300
const MAX_RECENT_CHARS = 256 * 1024

/** What all viewers of one task share: its detail and the newest lines of its log. */
export class WatchedTask {
  readonly taskId: string
  readonly changes = new ChangeCount()
  readonly firstRead = Promise.withResolvers<void>()
  readonly steps = new WatchedSteps()
  viewers = 0
  /** Raised by each change of the detail other than new steps: viewers get the detail again. */
  version = 0
  #detail: TaskDetail | undefined
  #detailIsStale = true
  #body = ''
  #row: SeenSummary | undefined
  #isGone = false
  #error: unknown
  #logIsComplete = false
  readonly #settled = new SettledIds()
  #position: number | undefined
  #recent: TaskLogLine[] = []
  #recentChars = 0
  #droppedUpTo = 0

  constructor(taskId: string) {
    this.taskId = taskId
    // If its only viewer has left before it was read, nobody handles the rejection.
    this.firstRead.promise.catch(() => {})
  }

  get detail(): TaskDetail | undefined {
    return this.#detail
  }

  /** Up to this id, no line can appear any more; undefined until the ids that the first poll saw have settled. */
  get position(): number | undefined {
    return this.#position
  }

  /** Deleted, or its detail could not be read (`error`). */
  get isGone(): boolean {
    return this.#isGone
  }

  /** @param createdBy the only creator whose task may be followed; undefined: any */
  isThereFor(createdBy: string | undefined): boolean {
    if (this.#isGone) return false
    const creators = [this.#row, this.#detail].flatMap((known) => (known ? [known.createdBy] : []))
    return createdBy === undefined || creators.every((creator) => creator === createdBy)
  }

  /** Why its detail could not be read; undefined if it was deleted. */
  get error(): unknown {
    return this.#error
  }

  /** The ended task, once all lines of its log have settled. */
  get end(): TaskDetail | undefined {
    const known = this.#logIsComplete && !this.#detailIsStale ? this.#detail : undefined
    return known && isFinished(known.status) ? known : undefined
  }

  get detailIsStale(): boolean {
    return this.#detailIsStale
  }

  /** Takes the result of a poll. Returns whether another poll is to follow at once. */
  apply(result: FeedResult, nowMs: number, redaction: Redaction): boolean {
    const seen = result.rows.get(this.taskId)
    if (!seen) {
      this.#markGone()
      return false
    }
    if (seen.body !== this.#body) this.#applyRow(parseSeen(seen))
    this.#body = seen.body
    this.#applySteps(result, nowMs, redaction)
    return this.#applyLines(result, nowMs)
  }

  applyDetail(detail: TaskDetail): void {
    if (this.#detail) this.steps.publish(stepsMissingIn(this.#detail, detail.steps))
    this.#detail = detail
    this.version += 1
    this.#detailIsStale = false
    this.changes.announce()
  }

  fail(error: unknown): void {
    this.#error = error
    this.firstRead.reject(error)
    this.#markGone()
  }

  #markGone(): void {
    this.#isGone = true
    this.changes.announce()
  }

  /** The lines after this id; undefined if some of them are no longer kept. */
  recentAfter(id: number): readonly TaskLogLine[] | undefined {
    if (id < this.#droppedUpTo) return undefined
    const first = this.#recent.findLastIndex((line) => line.id <= id) + 1
    return this.#recent.slice(first)
  }

  #applyRow(row: SeenSummary): void {
    const before = this.#row
    this.#row = row
    const isOnlyProgress =
      before !== undefined && withoutProgress(before) === withoutProgress(row) && !this.#detailIsStale
    if (isOnlyProgress && this.#detail) {
      const { progress, total, percent, step } = row
      this.applyDetail({ ...this.#detail, progress, total, percent, step })
    } else this.#detailIsStale = true
  }

  #applySteps(result: FeedResult, nowMs: number, redaction: Redaction): void {
    const { steps, lastSteps } = result
    const found = this.steps.record(steps.get(this.taskId) ?? [], lastSteps.get(this.taskId), nowMs)
    const before = this.#detail
    if (found.length === 0 || !before || this.#detailIsStale) return
    const added = stepsMissingIn(before, found)
    if (added.length === 0) return
    // A step's name may hold a secret, which the next read of the detail hides.
    if (redaction.hidesIn(before)) {
      this.#detailIsStale = true
      return
    }
    this.#detail = withSteps(before, added)
    this.steps.publish(added)
    this.changes.announce()
  }

  #applyLines(result: FeedResult, nowMs: number): boolean {
    const lines = result.lines.get(this.taskId) ?? []
    const isFull = lines.length >= LINES_PER_POLL
    const last = lines.at(-1)?.id ?? result.lastLines.get(this.taskId) ?? this.#position ?? 0
    const settled = this.#settled.record(last, result.snapshot, nowMs)
    if (settled === undefined) return false
    // What has settled comes from an earlier poll. A full one may have stopped at a line before that.
    const upTo = isFull ? Math.min(settled, last) : settled
    const hasEnded = this.#row !== undefined && isFinished(this.#row.status)
    const isComplete = hasEnded && !isFull && upTo >= last
    const hasChanged = upTo !== this.#position || isComplete !== this.#logIsComplete
    this.#keep(
      lines.filter(({ id }) => id <= upTo),
      upTo,
    )
    this.#logIsComplete = isComplete
    if (hasChanged) this.changes.announce()
    return isFull && upTo === last
  }

  #keep(lines: readonly TaskLogLine[], upTo: number): void {
    if (this.#position === undefined) this.#droppedUpTo = upTo
    this.#position = upTo
    this.#recent.push(...lines)
    for (const line of lines) this.#recentChars += charsOf(line)
    let dropped = 0
    while (this.#recent.length - dropped > MAX_RECENT_LINES || this.#recentChars > MAX_RECENT_CHARS) {
      const line = this.#recent[dropped]
      if (!line) break
      this.#recentChars -= charsOf(line)
      this.#droppedUpTo = line.id
      dropped += 1
    }
    if (dropped > 0) this.#recent = this.#recent.slice(dropped)
  }
}

function withoutProgress(row: SeenSummary): string {
  const { progress: _progress, total: _total, percent: _percent, step: _step, ...rest } = row
  return JSON.stringify(rest)
}

function charsOf({ message, data }: TaskLogLine): number {
  return message.length + (data === undefined ? 0 : JSON.stringify(data).length) + 100
}
