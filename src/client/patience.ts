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

/** Calls back when the signal aborts, at once where it has. Returns a function that ends it. */
export function onAbort(signal: AbortSignal | undefined, callback: (reason: unknown) => void): () => void {
  const call = () => callback(signal?.reason)
  if (signal?.aborted) call()
  else signal?.addEventListener('abort', call, { once: true })
  return () => signal?.removeEventListener('abort', call)
}

/** Resolves after `ms`. @throws the signal's reason when it aborts */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const elapsed = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, Math.min(ms, MAX_TIMER_MS))
  })
  return untilAborted(elapsed, signal).finally(() => clearTimeout(timer))
}

/** Ends a wait for what an app provides, such as its `fetch` or token, which need not heed signals. */
export function untilAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work
  return new Promise((resolve, reject) => {
    const leave = onAbort(signal, reject)
    work.then(resolve, reject).finally(leave)
  })
}

/** A signal that aborts with `parent`, or when a time has passed that nothing has extended. */
export class Deadline {
  readonly #controller = new AbortController()
  readonly #leave: () => void
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(ms: number, parent: AbortSignal | undefined) {
    this.#leave = onAbort(parent, (reason) => this.#controller.abort(reason))
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
    this.#leave()
  }
}
