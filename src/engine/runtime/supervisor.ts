import { readThrown } from '../definition/thrown.ts'
import type { TaskEvents } from './events.ts'
import { pause } from './wake-up.ts'

/** Runs until its signal aborts; calls `passed` after every successful pass. */
export type Loop = (signal: AbortSignal, passed: () => void) => Promise<void>

/** The state of one loop. */
export interface LoopHealth {
  /** Its name. */
  readonly loop: string
  /** False before its start and after its end. */
  readonly running: boolean
  /** Since the last successful pass; before the first one, since the start. */
  readonly sinceLastPassMs: number
  /** Failed passes since the last successful one. */
  readonly failures: number
  /** Message of the last failure; undefined once a pass succeeded. */
  readonly lastError: string | undefined
}

const FIRST_BACKOFF_MS = 100
/** Everything recovers within 5 s of an outage: this pause, and a try. */
const MAX_BACKOFF_MS = 3_000

/** Restarts a loop that throws, after a back-off with jitter that doubles up to 3 s. Emits one event per outage. */
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

/** Half fixed, half random, so that processes do not retry in step. */
export function backoffMs(failures: number): number {
  const full = Math.min(FIRST_BACKOFF_MS * 2 ** (failures - 1), MAX_BACKOFF_MS)
  return full / 2 + (Math.random() * full) / 2
}
