import type { TaskLog } from '../../definition/context.ts'
import type { LogLevel } from '../../definition/lifecycle.ts'
import { readLogCall } from '../../definition/log-call.ts'
import { toStorable } from '../../definition/outcome.ts'
import { checkCount } from '../../definition/progress.ts'
import type { Scrubber } from '../../definition/scrubber.ts'
import { serializeFields } from '../../definition/serialize.ts'
import { toText } from '../../definition/thrown.ts'
import type { RunEvent, TaskEvents } from '../../runtime/events.ts'
import type { Fence } from '../../store/fence.ts'
import type { LastProgress } from '../../store/finish.ts'
import type { LogBuffer } from '../writers/log-buffer.ts'
import type { ProgressBuffer } from '../writers/progress-buffer.ts'
import type { Cancellation } from './cancellation.ts'

const MAX_MESSAGE_CHARS = 10_000
const MAX_DATA_CHARS = 10_000
const MAX_STEP_CHARS = 200

/** The log and the newest progress of one attempt. Discards both once its signal has aborted. Progress never falls. */
export class AttemptOutput {
  readonly #fence: Fence
  readonly #event: RunEvent
  readonly #cancellation: Cancellation
  readonly #events: TaskEvents
  readonly #logs: LogBuffer
  readonly #reports: ProgressBuffer
  readonly #scrubber: Scrubber | undefined
  #log: TaskLog | undefined
  #closed = false
  #lateReported = false
  #lastLine = 0
  #progress = 0
  #total = 0
  #step: string | null = null
  #reported = false

  constructor(
    run: { fence: Fence; event: RunEvent; cancellation: Cancellation },
    services: { events: TaskEvents; logs: LogBuffer; progress: ProgressBuffer },
    scrubber: Scrubber | undefined,
  ) {
    this.#fence = run.fence
    this.#event = run.event
    this.#cancellation = run.cancellation
    this.#events = services.events
    this.#logs = services.logs
    this.#reports = services.progress
    this.#scrubber = scrubber
  }

  get log(): TaskLog {
    this.#log ??= {
      debug: (first: unknown, second?: unknown) => this.#write('DEBUG', first, second),
      info: (first: unknown, second?: unknown) => this.#write('INFO', first, second),
      warn: (first: unknown, second?: unknown) => this.#write('WARNING', first, second),
      error: (first: unknown, second?: unknown) => this.#write('ERROR', first, second),
    }
    return this.#log
  }

  get lastProgress(): LastProgress | undefined {
    if (!this.#reported) return undefined
    return { progress: this.#progress, total: this.#total, step: this.#step }
  }

  report(current: number, total: number | undefined, step: string | undefined): void {
    checkCount('current', current)
    if (total !== undefined) checkCount('total', total)
    const newTotal = total === undefined ? this.#total : Math.floor(total)
    const newProgress = Math.max(this.#progress, Math.floor(current))
    if (this.#isOver('progress')) return
    // A total of 0 is unknown; a known one is never below the progress.
    this.#progress =
      total !== undefined && newTotal > 0
        ? Math.min(newProgress, Math.max(newTotal, this.#progress))
        : newProgress
    this.#total = newTotal === 0 ? 0 : Math.max(newTotal, this.#progress)
    if (step !== undefined) this.#step = toStorable(this.#scrub(toText(step)).slice(0, MAX_STEP_CHARS))
    this.#reported = true
    this.#reports.report({
      ...this.#fence,
      progress: this.#progress,
      total: this.#total,
      step: this.#step,
    })
  }

  suppressLate(): void {
    this.#lateReported = true
  }

  close(): void {
    this.#closed = true
  }

  get isSilent(): boolean {
    return this.#lastLine === 0 && !this.#reported
  }

  /** Resolves when the output so far is written; `progress: false` discards the progress instead. */
  async flushed(options: { progress: boolean }): Promise<void> {
    if (options.progress) await this.#reports.flush()
    else this.#reports.drop(this.#fence)
    await this.#logs.flushed(this.#lastLine, this.#fence.taskId)
  }

  #write(level: LogLevel, first: unknown, second: unknown): void {
    if (this.#isOver('log')) return
    const { message, data: given } = readLogCall(first, second)
    const text = toStorable(this.#scrub(message).slice(0, MAX_MESSAGE_CHARS))
    const data = given !== undefined && this.#scrubber ? this.#scrubber.data(given) : given
    const json = serializeFields(data)
    this.#lastLine = this.#logs.add(this.#fence, { level, message: text, data: bounded(json) })
    if (this.#events.listenerCount('logged') > 0) {
      // As JSON: the host's logger would lose the contents of errors and Maps.
      const fields = json === undefined ? undefined : JSON.parse(json)
      this.#events.emit('logged', { ...this.#event, level, message: text, data: fields })
    }
  }

  #scrub(text: string): string {
    return this.#scrubber?.text(text) ?? text
  }

  /** Emits `late` once: a handler that logs in a loop must not flood the server's log. */
  #isOver(what: 'progress' | 'log'): boolean {
    if (!this.#closed && !this.#cancellation.aborted) return false
    if (!this.#lateReported) this.#events.emit('late', { ...this.#event, what })
    this.#lateReported = true
    return true
  }
}

function bounded(json: string | undefined): string | null {
  if (json === undefined || json.length <= MAX_DATA_CHARS) return json ?? null
  return JSON.stringify({ truncated: json.slice(0, MAX_DATA_CHARS) })
}
