import { readThrown } from '../definition/thrown.ts'
import type { TaskEvents } from './events.ts'
import { pause } from './wake-up.ts'

/** A loop runs until its signal aborts and calls `passed` after every pass that went through. */
export type Loop = (signal: AbortSignal, passed: () => void) => Promise<void>

export interface LoopHealth {
  readonly loop: string
  readonly running: boolean
  /** Milliseconds since the last pass that went through; since the start when there was none. */
  readonly sinceLastPassMs: number
  /** Failures in a row. */
  readonly failures: number
  readonly lastError: string | undefined
}

const FIRST_BACKOFF_MS = 100
/** After an outage everything goes on within 5 s: this is the longest that a try waits, and then it takes its time. */
const MAX_BACKOFF_MS = 3_000

/**
 * Keeps a loop alive: one that throws is started again after a back-off with jitter, which doubles up to 3 s
 * and starts anew after a pass that went through. Says so once an outage, not once a try.
 */
export class Supervisor {
  readonly #name: string
  readonly #loop: Loop
  readonly #events: TaskEvents
  readonly #maxBackoffMs: number
  readonly #stop = new AbortController()
  #failures = 0
  #lastError: unknown
  #lastPass = performance.now()
  #ended: Promise<void> | undefined

  constructor(name: string, loop: Loop, events: TaskEvents, maxBackoffMs = MAX_BACKOFF_MS) {
    this.#name = name
    this.#loop = loop
    this.#events = events
    this.#maxBackoffMs = maxBackoffMs
  }

  start(): void {
    this.#lastPass = performance.now()
    this.#ended = this.#keepAlive()
  }

  /** Ends the loop after the pass it is in. */
  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#ended
  }

  health(): LoopHealth {
    return {
      loop: this.#name,
      running: this.#ended !== undefined && !this.#stop.signal.aborted,
      sinceLastPassMs: performance.now() - this.#lastPass,
      failures: this.#failures,
      lastError: this.#failures > 0 ? readThrown(this.#lastError).message : undefined,
    }
  }

  async #keepAlive(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        await this.#loop(signal, () => this.#passed())
      } catch (error) {
        this.#failures += 1
        this.#lastError = error
        if (this.#failures === 1) this.#events.emit('loopFailed', { loop: this.#name, error })
        await pause(Math.min(backoffMs(this.#failures), this.#maxBackoffMs), signal)
      }
    }
  }

  #passed(): void {
    this.#lastPass = performance.now()
    if (this.#failures === 0) return
    this.#events.emit('loopRecovered', { loop: this.#name, failures: this.#failures })
    this.#failures = 0
    this.#lastError = undefined
  }
}

/** Half fixed, half random, so that many processes do not come back as one. */
export function backoffMs(failures: number): number {
  const full = Math.min(FIRST_BACKOFF_MS * 2 ** (failures - 1), MAX_BACKOFF_MS)
  return full / 2 + (Math.random() * full) / 2
}
