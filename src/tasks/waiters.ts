import type { Database } from '../db/database.ts'
import { isOutage } from '../db/errors.ts'
import { TaskError } from './errors.ts'
import type { TaskEvents } from './events.ts'
import { pause, WakeUp } from './executor/wake-up.ts'
import { isFinished } from './lifecycle.ts'
import { findStatuses } from './store/read.ts'

/** Timers end here; a longer wait looks again and goes on. */
const LONGEST_WAIT_MS = 2_147_483_647

export interface WaitOptions {
  /** Milliseconds. Default: no limit. */
  timeoutMs?: number
  /** Ends the wait early; the promise rejects with the signal's reason. */
  signal?: AbortSignal
}

/**
 * Callers that wait for the ends of tasks. Ends in this process are heard of at once; all others are found by one
 * statement a poll interval, however many callers wait.
 */
export class Waiters {
  readonly #db: Database
  readonly #pollIntervalMs: number
  readonly #waiting = new Map<WakeUp, string>()
  readonly #stop = new AbortController()
  #polling = false

  constructor(db: Database, events: TaskEvents, pollIntervalMs: number) {
    this.#db = db
    this.#pollIntervalMs = pollIntervalMs
    events.on('ended', ({ taskId }) => this.#wake(taskId))
    events.on('cancelled', ({ taskId }) => this.#wake(taskId))
  }

  /** Resolves to what `look` finds, looked for again whenever the task may have ended. */
  async wait<T>(taskId: string, look: () => Promise<T | undefined>, options: WaitOptions): Promise<T> {
    const { timeoutMs = Number.POSITIVE_INFINITY } = options
    const signal = AbortSignal.any([this.#stop.signal, ...(options.signal ? [options.signal] : [])])
    const deadline = performance.now() + timeoutMs
    // Listening starts before the first look: an end in between must not be missed.
    const latch = new WakeUp()
    this.#waiting.set(latch, taskId)
    this.#startPolling()
    try {
      for (;;) {
        signal.throwIfAborted()
        const found = await look().catch(ignoreOutage)
        if (found !== undefined) return found
        const leftMs = deadline - performance.now()
        if (leftMs <= 0) throw new TaskError('WAIT_TIMEOUT', `${taskId} did not end within ${timeoutMs} ms`)
        await latch.wait(Math.min(leftMs, LONGEST_WAIT_MS), signal)
      }
    } finally {
      this.#waiting.delete(latch)
    }
  }

  stop(): void {
    this.#stop.abort(new TaskError('SHUTTING_DOWN', 'stopped waiting: shutting down'))
  }

  #wake(taskId: string): void {
    for (const [latch, waitedFor] of this.#waiting) if (waitedFor === taskId) latch.notify()
  }

  #startPolling(): void {
    if (this.#polling) return
    this.#polling = true
    void this.#poll()
  }

  async #poll(): Promise<void> {
    while (this.#waiting.size > 0 && !this.#stop.signal.aborted) {
      await pause(this.#pollIntervalMs, this.#stop.signal)
      await this.#wakeEnded()
    }
    this.#polling = false
  }

  async #wakeEnded(): Promise<void> {
    const taskIds = new Set(this.#waiting.values())
    try {
      const statuses = await findStatuses(this.#db, [...taskIds])
      for (const taskId of taskIds) {
        const status = statuses.get(taskId)
        if (status === undefined || isFinished(status)) this.#wake(taskId)
      }
    } catch (error) {
      // Over an outage those who wait go on waiting. Any other error they meet, and throw, when they look themselves.
      if (!isOutage(error)) for (const taskId of taskIds) this.#wake(taskId)
    }
  }
}

/** Whoever waits goes on waiting, within its own time limit. */
function ignoreOutage(error: unknown): undefined {
  if (!isOutage(error)) throw error
}
