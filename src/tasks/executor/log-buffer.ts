import type { Database } from '../../db/database.ts'
import type { TaskEvents } from '../events.ts'
import type { LogLevel } from '../lifecycle.ts'
import { LogCap } from '../log-cap.ts'
import type { Fence } from '../store/fence.ts'
import { appendLogs, type NewLogLine } from '../store/output.ts'
import { FlushLoop } from './flush-loop.ts'
import { persistEachOrDrop } from './persist-or-drop.ts'

const MAX_LINES_A_WRITE = 1_000
/** What may wait: a handler that writes faster than the database takes it must not fill the memory. */
const MAX_WAITING_LINES = 250_000
const MAX_WAITING_CHARS = 32 * 1_048_576

interface WaitingLine extends Omit<NewLogLine, 'ageMs'> {
  readonly saidAt: number
}

export interface LineToWrite {
  readonly level: LogLevel
  readonly message: string
  readonly data: string | null
}

/**
 * The log lines of all attempts of an executor, in their order, on their way to the database. `flushed(position)` says
 * when all lines up to a position are written: an attempt waits for it before its end is made visible. Over an outage
 * they stay here; what does not fit is dropped, and said.
 */
export class LogBuffer {
  readonly #db: Database
  readonly #context: { events: TaskEvents; giveUp: AbortSignal }
  readonly #loop: FlushLoop
  readonly #cap: LogCap
  #lines: WaitingLine[] = []
  #chars = 0
  #said = 0
  #written = 0
  #dropped = 0

  constructor(db: Database, context: { events: TaskEvents; giveUp: AbortSignal }, maxLines: number) {
    this.#db = db
    this.#context = context
    this.#cap = new LogCap(db, context.events, maxLines)
    const more = () => (this.#isFull ? 'now' : this.#lines.length > 0 ? 'later' : 'none')
    this.#loop = new FlushLoop(() => this.#write(), more, context.giveUp)
  }

  /** Answers the line's position, for `flushed`. */
  add(fence: Fence, line: LineToWrite): number {
    const chars = sizeOf(line)
    if (this.#lines.length >= MAX_WAITING_LINES || this.#chars + chars > MAX_WAITING_CHARS) {
      this.#dropped += 1
      return this.#said
    }
    this.#lines.push({ taskId: fence.taskId, attempt: fence.attempt, ...line, saidAt: performance.now() })
    this.#chars += chars
    this.#said += 1
    if (this.#isFull) this.#loop.unattended()
    else this.#loop.soon()
    return this.#said
  }

  /** Resolves when all lines up to this position, or by default all, are in the database. */
  async flushed(position = this.#said): Promise<void> {
    while (this.#written < position) await this.#loop.now()
  }

  stop(): void {
    this.#loop.stop()
  }

  get #isFull(): boolean {
    return this.#lines.length >= MAX_LINES_A_WRITE
  }

  async #write(): Promise<void> {
    if (this.#lines.length === 0) return
    const batch = this.#lines.slice(0, MAX_LINES_A_WRITE)
    const now = performance.now()
    const lines = batch.map(({ saidAt, ...line }) => ({ ...line, ageMs: now - saidAt }))
    await persistEachOrDrop('log lines', lines, (some) => appendLogs(this.#db, some), this.#context)
    this.#lines = this.#lines.slice(batch.length)
    this.#written += batch.length
    for (const line of batch) this.#chars -= sizeOf(line)
    if (this.#dropped > 0) this.#context.events.emit('logsDropped', { count: this.#dropped })
    this.#dropped = 0
    await this.#cap.afterWrite(batch)
  }
}

function sizeOf({ message, data }: LineToWrite): number {
  return message.length + (data?.length ?? 0)
}
