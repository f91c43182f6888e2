import { monitorEventLoopDelay } from 'node:perf_hooks'

/** Coarse, so that an idle process is hardly woken: what matters is seconds. */
const RESOLUTION_MS = 100
const WINDOW_MS = 60_000

/** How long the event loop was blocked at most, in the last minute or two. */
export class LoopDelay {
  readonly #histogram: ReturnType<typeof monitorEventLoopDelay>
  readonly #timer: NodeJS.Timeout
  #previousMs = 0

  constructor() {
    this.#histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
    this.#histogram.enable()
    this.#timer = setInterval(() => {
      this.#previousMs = this.#currentMs
      this.#histogram.reset()
    }, WINDOW_MS).unref()
  }

  get longestMs(): number {
    return Math.max(this.#previousMs, this.#currentMs)
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#histogram.disable()
  }

  get #currentMs(): number {
    return Math.max(0, this.#histogram.max / 1e6 - RESOLUTION_MS)
  }
}
