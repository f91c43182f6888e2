const FIRST_BACKOFF_MS = 500
const MAX_BACKOFF_MS = 15_000

/** Doubles up to 15 s; half fixed, half random, so that many pages do not come back as one. */
export function backoffMs(failures: number): number {
  const full = Math.min(FIRST_BACKOFF_MS * 2 ** (failures - 1), MAX_BACKOFF_MS)
  return full / 2 + (Math.random() * full) / 2
}

/** Resolves after `ms`. @throws the signal's reason when it aborts */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted()
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms)
  const onAbort = () => resolve()
  signal?.addEventListener('abort', onAbort)
  await promise
  signal?.removeEventListener('abort', onAbort)
  clearTimeout(timer)
  signal?.throwIfAborted()
}

/** Aborts when it was not touched for `ms`, or with `parent`. */
export class Silence {
  readonly #controller = new AbortController()
  readonly #parent: AbortSignal | undefined
  readonly #follow = () => this.#controller.abort(this.#parent?.reason)
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(ms: number, parent: AbortSignal | undefined) {
    this.#parent = parent
    if (parent?.aborted) this.#follow()
    parent?.addEventListener('abort', this.#follow)
    this.allow(ms)
  }

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  /** Starts to count anew. */
  allow(ms: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#controller.abort(new Error(`silent for ${ms} ms`)), ms)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#parent?.removeEventListener('abort', this.#follow)
  }
}
