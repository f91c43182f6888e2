import type { Database } from '../../../db/database.ts'
import type { LogLevel } from '../../definition/lifecycle.ts'
import { LogCap } from '../../maintenance/log-cap.ts'
import type { TaskEvents } from '../../runtime/events.ts'
import { FlushLoop } from '../../runtime/flush-loop.ts'
import { persistEachOrDiscard } from '../../runtime/persist-or-discard.ts'
import { pause } from '../../runtime/wake-up.ts'
import type { Fence } from '../../store/fence.ts'
import { appendLogs, type NewLogLine } from '../../store/output.ts'

const MAX_LINES_A_WRITE = 1_000
/** Between two tries to write lines of a locked task that its end waits for. */
const HELD_PAUSE_MS = 100
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
 * they stay here; what does not fit is dropped, and said. Lines of a task that a transaction holds for update stay, too,
 * and hold up no others.
 */
export class LogBuffer {
  readonly #db: Database
  readonly #context: { events: TaskEvents; giveUp: AbortSignal }
  readonly #loop: FlushLoop
  readonly #cap: LogCap
  #lines: WaitingLine[] = []
  /** Passed over: their tasks were locked. They precede `#lines`. */
  #held: WaitingLine[] = []
  #chars = 0
  #said = 0
  #written = 0
  #dropped = 0

  constructor(db: Database, context: { events: TaskEvents; giveUp: AbortSignal }, maxLines: number) {
    this.#db = db
    this.#context = context
    this.#cap = new LogCap(db, context.events, maxLines)
    const more = () => (this.#isFull ? 'now' : this.#lines.length + this.#held.length > 0 ? 'later' : 'none')
    this.#loop = new FlushLoop(() => this.#write(), more, context.giveUp)
  }

  /** Answers the line's position, for `flushed`. */
  add(fence: Fence, line: LineToWrite): number {
    const chars = sizeOf(line)
    if (
      this.#lines.length + this.#held.length >= MAX_WAITING_LINES ||
      this.#chars + chars > MAX_WAITING_CHARS
    ) {
      this.#dropped += 1
      return this.#said
    }
    this.#lines.push({ taskId: fence.taskId, attempt: fence.attempt, ...line, saidAt: performance.now() })
    this.#chars += chars
    this.#said += 1
    if (this.#isFull) this.#loop.flushInBackground()
    else this.#loop.schedule()
    return this.#said
  }

  /** Resolves when all lines are in the database; of a task, its lines up to this position. */
  async flushed(position = this.#said, taskId?: string): Promise<void> {
    const isHeld = () => this.#held.some((line) => taskId === undefined || line.taskId === taskId)
    while (this.#written < position || isHeld()) {
      await this.#loop.flush()
      if (this.#written >= position && isHeld()) await pause(HELD_PAUSE_MS, this.#context.giveUp)
      if (this.#context.giveUp.aborted) return
    }
  }

  stop(): void {
    this.#loop.stop()
  }

  get #isFull(): boolean {
    return this.#lines.length >= MAX_LINES_A_WRITE
  }

  async #write(): Promise<void> {
    if (this.#lines.length + this.#held.length === 0) return
    const next = this.#lines.slice(0, MAX_LINES_A_WRITE)
    const batch = [...this.#held, ...next]
    const write = (some: readonly WaitingLine[]) => this.#append(some)
    this.#held = (await persistEachOrDiscard('log lines', batch, write, this.#context)).flat()
    this.#lines = this.#lines.slice(next.length)
    this.#written += next.length
    const held = new Set(this.#held)
    const done = batch.filter((line) => !held.has(line))
    for (const line of done) this.#chars -= sizeOf(line)
    if (this.#dropped > 0) this.#context.events.emit('logsDropped', { count: this.#dropped })
    this.#dropped = 0
    await this.#cap.afterWrite(done)
  }

  /** Resolves to the lines that were left out, for their tasks are locked. */
  async #append(some: readonly WaitingLine[]): Promise<WaitingLine[]> {
    const now = performance.now()
    const lines = some.map(({ saidAt, ...line }) => ({ ...line, ageMs: now - saidAt }))
    const { locked } = await appendLogs(this.#db, lines)
    return some.filter(({ taskId }) => locked.has(taskId))
  }
}

function sizeOf({ message, data }: LineToWrite): number {
  return message.length + (data?.length ?? 0)
}
