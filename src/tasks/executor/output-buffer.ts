import type { Database } from '../../db/database.ts'
import type { TaskEvents } from '../events.ts'
import type { LogLevel } from '../lifecycle.ts'
import { type Fence, runKey } from '../store/fence.ts'
import { appendLogs, type NewLogLine, type ProgressUpdate, writeProgress } from '../store/output.ts'
import { GaveUp, persist } from './persist.ts'

/** At most five writes of progress a second, however often handlers report. */
const FLUSH_INTERVAL_MS = 200
const MAX_LINES_A_WRITE = 1_000
/** Lines that may wait: a handler that writes faster than the database takes them must not fill the memory. */
const MAX_WAITING_LINES = 250_000

interface WaitingLine extends Omit<NewLogLine, 'ageMs'> {
  readonly saidAt: number
}

export interface LineToWrite {
  readonly level: LogLevel
  readonly message: string
  readonly data: string | null
}

/**
 * Progress and log lines of all attempts of an executor, on their way to the database.
 *
 * Progress is the newest word of each attempt; lines keep their order. Both wait for a fifth of a second and go
 * out in one statement each, one flush at a time. `flushed(position)` says when all lines up to a position are
 * written: an attempt waits for it before its end is made visible. Over an outage everything stays here.
 */
export class OutputBuffer {
  readonly #db: Database
  readonly #executorId: string
  readonly #context: { events: TaskEvents; giveUp: AbortSignal }
  readonly #onLost: (taskId: string, attempt: number) => void
  readonly #progress = new Map<string, ProgressUpdate>()
  #lines: WaitingLine[] = []
  #said = 0
  #written = 0
  #dropped = 0
  #timer: NodeJS.Timeout | undefined
  #flushing: Promise<void> | undefined

  constructor(options: {
    db: Database
    executorId: string
    context: { events: TaskEvents; giveUp: AbortSignal }
    onLost: (taskId: string, attempt: number) => void
  }) {
    this.#db = options.db
    this.#executorId = options.executorId
    this.#context = options.context
    this.#onLost = options.onLost
  }

  reportProgress(update: ProgressUpdate): void {
    this.#progress.set(runKey(update), update)
    this.#schedule()
  }

  /** Forgets progress that the attempt's last write carries, or that its row no longer wants. */
  dropProgress(fence: Fence): void {
    this.#progress.delete(runKey(fence))
  }

  /** Answers the line's position, for `flushed`. */
  addLine(fence: Fence, line: LineToWrite): number {
    if (this.#lines.length >= MAX_WAITING_LINES) {
      this.#dropped += 1
      return this.#said
    }
    this.#lines.push({ taskId: fence.taskId, attempt: fence.attempt, ...line, saidAt: performance.now() })
    this.#said += 1
    if (this.#lines.length >= MAX_LINES_A_WRITE) this.#flushUnattended()
    else this.#schedule()
    return this.#said
  }

  /** Resolves when all lines up to this position are in the database. */
  async flushed(position: number): Promise<void> {
    while (this.#written < position) await this.#startFlush()
  }

  /** Writes all that waits now, progress too. */
  async flush(): Promise<void> {
    if (this.#progress.size > 0 || this.#lines.length > 0) {
      // A flush that is under way may have taken its share before the newest word.
      await this.#flushing
      await this.#startFlush()
    }
    await this.flushed(this.#said)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #schedule(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      this.#flushUnattended()
    }, FLUSH_INTERVAL_MS)
  }

  #flushUnattended(): void {
    // It rejects only when the stop's deadline has passed, and then whoever waits for the lines hears of it.
    this.#startFlush().catch(() => {})
  }

  #startFlush(): Promise<void> {
    this.#flushing ??= this.#flushOnce().finally(() => {
      this.#flushing = undefined
      if (this.#context.giveUp.aborted) return
      if (this.#lines.length >= MAX_LINES_A_WRITE) this.#flushUnattended()
      else if (this.#lines.length > 0 || this.#progress.size > 0) this.#schedule()
    })
    return this.#flushing
  }

  async #flushOnce(): Promise<void> {
    await this.#writeLines()
    await this.#writeProgress()
  }

  async #writeLines(): Promise<void> {
    if (this.#lines.length === 0) return
    const batch = this.#lines.slice(0, MAX_LINES_A_WRITE)
    const now = performance.now()
    const lines = batch.map(({ saidAt, ...line }) => ({ ...line, ageMs: now - saidAt }))
    await this.#persistOrDrop('log lines', () => appendLogs(this.#db, lines))
    this.#lines = this.#lines.slice(batch.length)
    this.#written += batch.length
    if (this.#dropped > 0) {
      this.#context.events.emit('logsDropped', { count: this.#dropped })
      this.#dropped = 0
    }
  }

  async #writeProgress(): Promise<void> {
    if (this.#progress.size === 0) return
    const updates = [...this.#progress.values()]
    this.#progress.clear()
    const held = await this.#persistOrDrop('progress', () =>
      writeProgress(this.#db, this.#executorId, updates),
    )
    for (const update of updates) {
      if (held && !held.has(runKey(update))) this.#onLost(update.taskId, update.attempt)
    }
  }

  /** Output that the database refuses for good must not keep a task from ending: it is dropped, and said. */
  async #persistOrDrop<T>(what: string, write: () => Promise<T>): Promise<T | undefined> {
    try {
      return (await persist(what, write, this.#context)).value
    } catch (error) {
      if (error instanceof GaveUp) throw error
      this.#context.events.emit('writeFailed', { what, error })
      return undefined
    }
  }
}
