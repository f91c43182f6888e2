import type { TaskDetail, TaskLogLine } from '../../contract/task.ts'
import { isFinished } from '../definition/lifecycle.ts'
import { type FeedLook, parseSeen, type SeenSummary } from '../store/feed.ts'
import { SettledIds } from '../store/settled-ids.ts'
import { Changes } from './changes.ts'

/** Lines of one log that a look reads; a full look is followed by another one at once. */
export const LINES_A_LOOK = 500
/** What is kept for viewers that are a little behind. Whoever is further behind reads the log from the database. */
const MAX_RECENT_LINES = 300
const MAX_RECENT_CHARS = 256 * 1024

/** What all viewers of one task share: the task as it is, the end of its log, and whether more can come. */
export class WatchedTask {
  readonly taskId: string
  readonly changes = new Changes()
  /** Resolves when the task was found; rejects when there is none, or the database cannot say. */
  readonly found = Promise.withResolvers<void>()
  viewers = 0
  #detail: TaskDetail | undefined
  #detailIsStale = true
  #body = ''
  #row: SeenSummary | undefined
  #isGone = false
  #logIsComplete = false
  readonly #settled = new SettledIds()
  #position: number | undefined
  #recent: TaskLogLine[] = []
  #recentChars = 0
  #recentAfter = 0

  constructor(taskId: string) {
    this.taskId = taskId
    // Whoever opened it may have left before anything was found.
    this.found.promise.catch(() => {})
  }

  get detail(): TaskDetail | undefined {
    return this.#detail
  }

  /** Lines up to this one are known; undefined until it is sure where the log ends. */
  get position(): number | undefined {
    return this.#position
  }

  /** The task was deleted, or cannot be read. */
  get isGone(): boolean {
    return this.#isGone
  }

  /** The end, once the whole log up to it is known. */
  get end(): TaskDetail | undefined {
    const isEnd = this.#logIsComplete && !this.#detailIsStale && this.#detail
    return isEnd && isFinished(isEnd.status) ? isEnd : undefined
  }

  /** More than a summary has changed: the detail must be read again. */
  get detailIsStale(): boolean {
    return this.#detailIsStale
  }

  /** Answers whether there is more to read at once. */
  take(look: FeedLook, nowMs: number): boolean {
    const seen = look.rows.get(this.taskId)
    if (!seen) {
      this.#leave()
      return false
    }
    if (seen.body !== this.#body) this.#takeRow(parseSeen(seen))
    this.#body = seen.body
    return this.#takeLines(look, nowMs)
  }

  takeDetail(detail: TaskDetail): void {
    this.#detail = detail
    this.#detailIsStale = false
    this.changes.announce()
  }

  fail(error: unknown): void {
    this.found.reject(error)
    this.#leave()
  }

  #leave(): void {
    this.#isGone = true
    this.changes.announce()
  }

  /** Lines after this one, as far as they are kept; undefined where they go further back. */
  recentAfter(id: number): readonly TaskLogLine[] | undefined {
    if (id < this.#recentAfter) return undefined
    const first = this.#recent.findLastIndex((line) => line.id <= id) + 1
    return this.#recent.slice(first)
  }

  #takeRow(row: SeenSummary): void {
    const before = this.#row
    this.#row = row
    const isOnlyProgress =
      before !== undefined && withoutProgress(before) === withoutProgress(row) && !this.#detailIsStale
    if (isOnlyProgress && this.#detail) {
      const { progress, total, percent, step } = row
      this.takeDetail({ ...this.#detail, progress, total, percent, step })
    } else this.#detailIsStale = true
  }

  #takeLines(look: FeedLook, nowMs: number): boolean {
    const lines = look.lines.get(this.taskId) ?? []
    const isFull = lines.length >= LINES_A_LOOK
    const last = lines.at(-1)?.id ?? look.lastLines.get(this.taskId) ?? this.#position ?? 0
    const settled = this.#settled.see(last, look.snapshot, nowMs)
    if (settled === undefined) return false
    // Smaller ids that showed only now may have pushed what was settled before out of a full look.
    const upTo = isFull ? Math.min(settled, last) : settled
    const hasEnded = this.#row !== undefined && isFinished(this.#row.status)
    const isComplete = hasEnded && !isFull && upTo >= last
    const isNews = upTo !== this.#position || isComplete !== this.#logIsComplete
    this.#keep(
      lines.filter(({ id }) => id <= upTo),
      upTo,
    )
    this.#logIsComplete = isComplete
    if (isNews) this.changes.announce()
    return isFull && upTo === last
  }

  #keep(lines: readonly TaskLogLine[], upTo: number): void {
    if (this.#position === undefined) this.#recentAfter = upTo
    this.#position = upTo
    this.#recent.push(...lines)
    for (const line of lines) this.#recentChars += charsOf(line)
    let dropped = 0
    while (this.#recent.length - dropped > MAX_RECENT_LINES || this.#recentChars > MAX_RECENT_CHARS) {
      const line = this.#recent[dropped]
      if (!line) break
      this.#recentChars -= charsOf(line)
      this.#recentAfter = line.id
      dropped += 1
    }
    if (dropped > 0) this.#recent = this.#recent.slice(dropped)
  }
}

function withoutProgress(row: SeenSummary): string {
  const { progress: _progress, total: _total, percent: _percent, step: _step, ...rest } = row
  return JSON.stringify(rest)
}

/** About what it takes in memory. */
function charsOf({ message, data }: TaskLogLine): number {
  return message.length + (data === undefined ? 0 : JSON.stringify(data).length) + 100
}
