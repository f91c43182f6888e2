/** No more work may wait. */
export class QueueFull extends Error {
  override readonly name = 'QueueFull'
}

/** Whose work it is: keys take turns, and urgent work comes before all other. */
export interface Turn {
  readonly key: string
  readonly isUrgent: boolean
}

/**
 * Runs a bounded number of pieces of work at once, and lets a bounded number wait behind them. Measures no time, so
 * that no clock that jumps can stall it.
 */
export class BoundedQueue {
  readonly #urgent: FairLine
  readonly #ordinary: FairLine
  #free: number

  constructor(options: { concurrency: number; maxWaiting: number }) {
    this.#free = options.concurrency
    this.#urgent = new FairLine(options.maxWaiting)
    this.#ordinary = new FairLine(options.maxWaiting)
  }

  /** @throws QueueFull without calling `work` */
  async run<T>(work: () => Promise<T>, { key, isUrgent }: Turn = { key: '', isUrgent: false }): Promise<T> {
    if (this.#free > 0) this.#free -= 1
    else await (isUrgent ? this.#urgent : this.#ordinary).wait(key)
    try {
      return await work()
    } finally {
      this.#leave()
    }
  }

  /** The permit goes straight to the next in line: work that comes meanwhile cannot take it. */
  #leave(): void {
    const next = this.#urgent.shift() ?? this.#ordinary.shift()
    if (next) next.resolve()
    else this.#free += 1
  }
}

type Waiting = PromiseWithResolvers<void>

/** Serves its keys round robin. When it is full, the key with most waiting gives way to one with fewer. */
class FairLine {
  readonly #max: number
  readonly #lines = new Map<string, Waiting[]>()
  #count = 0

  constructor(max: number) {
    this.#max = max
  }

  wait(key: string): Promise<void> {
    const line = this.#lines.get(key) ?? []
    if (this.#count >= this.#max) this.#makeRoomBeside(line)
    const waiting = Promise.withResolvers<void>()
    line.push(waiting)
    this.#lines.set(key, line)
    this.#count += 1
    return waiting.promise
  }

  shift(): Waiting | undefined {
    const [first] = this.#lines
    if (!first) return undefined
    const [key, line] = first
    const next = line.shift()
    this.#count -= 1
    // Behind all other keys.
    this.#lines.delete(key)
    if (line.length > 0) this.#lines.set(key, line)
    return next
  }

  #makeRoomBeside(line: readonly Waiting[]): void {
    let longest: Waiting[] = []
    for (const other of this.#lines.values()) if (other.length > longest.length) longest = other
    if (longest.length < line.length + 2) throw new QueueFull('too much is waiting already')
    longest.pop()?.reject(new QueueFull('gave way to another key'))
    this.#count -= 1
  }
}
