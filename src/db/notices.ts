import { setTimeout as delay } from 'node:timers/promises'

/** Receives what a start waits for. */
export type OnNotice = (message: string) => void

/** Each further notice comes after twice the time, at most a minute later. */
const FIRST_MS = 1_000
const MAX_MS = 60_000

/** Notices of one wait: after 1 s, 2 s, 4 s and so on. */
export class Notices {
  readonly give: OnNotice
  readonly #began = performance.now()
  #nextAt = this.#began + FIRST_MS

  constructor(onNotice: OnNotice) {
    this.give = onNotice
  }

  get elapsedMs(): number {
    return performance.now() - this.#began
  }

  get elapsed(): string {
    return `${Math.round(this.elapsedMs / 1000)} s`
  }

  isDue(): boolean {
    if (performance.now() < this.#nextAt) return false
    this.#nextAt = performance.now() + Math.min(this.elapsedMs, MAX_MS)
    return true
  }

  /** Reports how long `work` has taken, while it runs. */
  async during<T>(what: string, work: () => Promise<T>): Promise<T> {
    const done = new AbortController()
    const reporting = this.#repeat(what, done.signal)
    try {
      return await work()
    } finally {
      done.abort()
      await reporting
    }
  }

  async #repeat(what: string, signal: AbortSignal): Promise<void> {
    for (;;) {
      await delay(Math.max(0, this.#nextAt - performance.now()), undefined, { signal }).catch(() => {})
      if (signal.aborted) return
      if (this.isDue()) this.give(`${what} for ${this.elapsed}`)
    }
  }
}
