/** There is no room for more to wait. */
export class QueueFull extends Error {
  override readonly name = 'QueueFull'
}

/** So many pieces of work at once, so many behind them, and no more. Knows no clock, so none that jumps can stall it. */
export class BoundedQueue {
  readonly #maxWaiting: number
  readonly #waiting: (() => void)[] = []
  #free: number

  constructor(options: { concurrency: number; maxWaiting: number }) {
    this.#free = options.concurrency
    this.#maxWaiting = options.maxWaiting
  }

  /** @throws QueueFull at once, without calling `work` */
  async run<T>(work: () => Promise<T>): Promise<T> {
    await this.#enter()
    try {
      return await work()
    } finally {
      this.#leave()
    }
  }

  async #enter(): Promise<void> {
    if (this.#free > 0) {
      this.#free -= 1
      return
    }
    if (this.#waiting.length >= this.#maxWaiting) throw new QueueFull('too much is waiting already')
    const turn = Promise.withResolvers<void>()
    this.#waiting.push(turn.resolve)
    await turn.promise
  }

  /** The place goes straight to the next in line: nobody who comes meanwhile can take it. */
  #leave(): void {
    const next = this.#waiting.shift()
    if (next) next()
    else this.#free += 1
  }
}
