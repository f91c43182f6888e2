const FRESH_MS = 1_000
/** Slow reads take at most this share of the time. */
const SHARE_OF_TIME = 1 / 20

/** A read that callers share while it is under way and for a second after; longer where it is slow. */
export class SharedRead<T> {
  readonly #read: () => Promise<T>
  readonly #patienceMs: number
  #latest: Promise<T> | undefined
  #freshUntil = 0

  /** @param patienceMs a read that takes longer is no longer shared */
  constructor(read: () => Promise<T>, patienceMs: number) {
    this.#read = read
    this.#patienceMs = patienceMs
  }

  get(): Promise<T> {
    if (this.#latest && performance.now() < this.#freshUntil) return this.#latest
    const begun = performance.now()
    this.#freshUntil = begun + this.#patienceMs
    const read = this.#read()
    this.#latest = read
    read.then(
      () => this.#latest === read && this.#stayFresh(performance.now() - begun),
      () => this.#latest === read && this.#forget(performance.now() - begun),
    )
    return read
  }

  /** A read that fails fast is not shared; one that fails slowly is not repeated at once. */
  #forget(costMs: number): void {
    if (costMs < FRESH_MS) this.#latest = undefined
    else this.#freshUntil = performance.now() + costMs
  }

  #stayFresh(costMs: number): void {
    this.#freshUntil = performance.now() + Math.max(FRESH_MS, costMs / SHARE_OF_TIME)
  }
}
