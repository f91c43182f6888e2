import type { Database } from '../../../db/database.ts'
import type { LogLevel } from '../../definition/lifecycle.ts'
import { LogCap } from '../../maintenance/log-cap.ts'
import type { TaskEvents } from '../../runtime/events.ts'
import { FlushLoop } from '../../runtime/flush-loop.ts'
import { persistEachOrDiscard } from '../../runtime/persist-or-discard.ts'
import { pause } from '../../runtime/wake-up.ts'
import type { Fence } from '../../store/fence.ts'
import { appendLogs, type NewLogLine } from '../../store/output.ts'

const MAX_LINES_PER_WRITE = 1_000
/** Between two tries to write lines that the end of a locked task waits for. */
const LOCKED_PAUSE_MS = 100
/** Bounds the memory: a handler may log faster than the database writes. */
const MAX_WAITING_LINES = 250_000
const MAX_WAITING_CHARS = 32 * 1_048_576

interface WaitingLine extends Omit<NewLogLine, 'ageMs'> {
  readonly loggedAt: number
}

export interface LineToWrite {
  readonly level: LogLevel
  readonly message: string
  readonly data: string | null
}

/**
 * Buffers log lines in their order: through outages, and without delay by tasks locked for update. An attempt waits for
 * `flushed(position)` before it writes its outcome; lines beyond the limits are discarded and reported.
 */
export class LogBuffer {
  readonly #db: Database
  readonly #context: { events: TaskEvents; giveUp: AbortSignal }
  readonly #loop: FlushLoop
  readonly #cap: LogCap
  #lines: WaitingLine[] = []
  /** Skipped because their tasks were locked. They precede `#lines`. */
  #locked: WaitingLine[] = []
  #chars = 0
  #lastPosition = 0
  #written = 0
  #discarded = 0

  constructor(db: Database, context: { events: TaskEvents; giveUp: AbortSignal }, maxLines: number) {
    this.#db = db
    this.#context = context
    this.#cap = new LogCap(db, context.events, maxLines)
    const more = () =>
      this.#isFull ? 'now' : this.#lines.length + this.#locked.length > 0 ? 'later' : 'none'
    this.#loop = new FlushLoop(() => this.#write(), more, context.giveUp)
  }

  add(fence: Fence, line: LineToWrite): number {
    const chars = sizeOf(line)
    if (
      this.#lines.length + this.#locked.length >= MAX_WAITING_LINES ||
      this.#chars + chars > MAX_WAITING_CHARS
    ) {
      this.#discarded += 1
      return this.#lastPosition
    }
    this.#lines.push({ taskId: fence.taskId, attempt: fence.attempt, ...line, loggedAt: performance.now() })
    this.#chars += chars
    this.#lastPosition += 1
    if (this.#isFull) this.#loop.flushInBackground()
    else this.#loop.schedule()
    return this.#lastPosition
  }

  /** Resolves when all lines are written; for a task, its lines up to this position. */
  async flushed(position = this.#lastPosition, taskId?: string): Promise<void> {
    const isLocked = () => this.#locked.some((line) => taskId === undefined || line.taskId === taskId)
    while (this.#written < position || isLocked()) {
      await this.#loop.flush()
      if (this.#written >= position && isLocked()) await pause(LOCKED_PAUSE_MS, this.#context.giveUp)
      if (this.#context.giveUp.aborted) return
    }
  }

  stop(): void {
    this.#loop.stop()
  }

  get #isFull(): boolean {
    return this.#lines.length >= MAX_LINES_PER_WRITE
  }

  async #write(): Promise<void> {
    if (this.#lines.length + this.#locked.length === 0) return
    const next = this.#lines.slice(0, MAX_LINES_PER_WRITE)
    const batch = [...this.#locked, ...next]
    const write = (some: readonly WaitingLine[]) => this.#append(some)
    this.#locked = (await persistEachOrDiscard('log lines', batch, write, this.#context)).flat()
    this.#lines = this.#lines.slice(next.length)
    this.#written += next.length
    const held = new Set(this.#locked)
    const done = batch.filter((line) => !held.has(line))
    for (const line of done) this.#chars -= sizeOf(line)
    if (this.#discarded > 0) this.#context.events.emit('logsDropped', { count: this.#discarded })
    this.#discarded = 0
    await this.#cap.afterWrite(done)
  }

  async #append(some: readonly WaitingLine[]): Promise<WaitingLine[]> {
    const now = performance.now()
    const lines = some.map(({ loggedAt, ...line }) => ({ ...line, ageMs: now - loggedAt }))
    const { locked } = await appendLogs(this.#db, lines)
    return some.filter(({ taskId }) => locked.has(taskId))
  }
}

function sizeOf({ message, data }: LineToWrite): number {
  return message.length + (data?.length ?? 0)
}
