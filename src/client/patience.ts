const FIRST_BACKOFF_MS = 1_000
const MAX_BACKOFF_MS = 12_000
/** A server that asks for more may be back sooner; and timers take 2^31 ms at most. */
const MAX_ASKED_MS = 12_000

/**
 * How long to wait after so many failures in a row: doubled up to 12 s, a quarter of it random, so that many pages do not
 * come back as one. `askedMs`: what the server asked for, at least; it counts up to 12 s.
 */
export function backoffMs(failures: number, askedMs = 0): number {
  const full = Math.min(FIRST_BACKOFF_MS * 2 ** (Math.max(1, failures) - 1), MAX_BACKOFF_MS)
  const asked = Number.isFinite(askedMs) ? Math.min(askedMs, MAX_ASKED_MS) : MAX_ASKED_MS
  return Math.max(asked, full * (0.75 + Math.random() / 4))
}

/** Longer timers overflow, and fire at once. */
const MAX_TIMER_MS = 2_147_483_647

/** Resolves after `ms`. @throws the signal's reason when it aborts */
export function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const onAbort = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(
      () => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      },
      Math.min(ms, MAX_TIMER_MS),
    )
    signal?.addEventListener('abort', onAbort, { once: true })
  })
}

/** Ends a wait for what an app provides, such as its `fetch` or token, which need not heed signals. */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort, { once: true })
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}

/** A signal that aborts with `parent`, or when a time has passed that nothing has extended. */
export class Deadline {
  readonly #controller = new AbortController()
  readonly #parent: AbortSignal | undefined
  readonly #follow = () => this.#controller.abort(this.#parent?.reason)
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(ms: number, parent: AbortSignal | undefined) {
    this.#parent = parent
    if (parent?.aborted) this.#follow()
    parent?.addEventListener('abort', this.#follow)
    this.extend(ms)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Counts anew from now. */
  extend(ms: number): void {
    clearTimeout(this.#timer)
    const abort = () => this.#controller.abort(new Error(`no response within ${ms} ms`))
    this.#timer = setTimeout(abort, Math.min(ms, MAX_TIMER_MS))
  }

  clear(): void {
    clearTimeout(this.#timer)
    this.#parent?.removeEventListener('abort', this.#follow)
  }
}
