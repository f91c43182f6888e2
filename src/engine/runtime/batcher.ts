import { isTransient } from '../../db/errors.ts'

const MAX_IN_FLIGHT = 2

interface Waiting<In, Out> {
  readonly item: In
  readonly result: PromiseWithResolvers<Out>
}

export interface BatchLimits<In> {
  readonly maxItems: number
  readonly maxBytes: number
  /** From twice as many on, items are split between the free batches. Default: never split. */
  readonly minShare?: number
  bytesOf(item: In): number
}

/**
 * Lets concurrent writes share a commit. A batch is sent at once while fewer than two are in flight, so that one slow
 * commit delays no one; a timer would only add its delay.
 */
export class Batcher<In, Out> {
  readonly #write: (items: readonly In[]) => Promise<readonly Out[]>
  readonly #limits: BatchLimits<In>
  readonly #waiting: Waiting<In, Out>[] = []
  #inFlight = 0
  #scheduled = false

  constructor(limits: BatchLimits<In>, write: (items: readonly In[]) => Promise<readonly Out[]>) {
    this.#limits = limits
    this.#write = write
  }

  add(item: In): Promise<Out> {
    const result = Promise.withResolvers<Out>()
    this.#waiting.push({ item, result })
    this.#schedule()
    return result.promise
  }

  #schedule(): void {
    if (this.#scheduled || this.#inFlight >= MAX_IN_FLIGHT || this.#waiting.length === 0) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      const batch = this.#nextBatch()
      this.#inFlight += 1
      void this.#send(batch).finally(() => {
        this.#inFlight -= 1
        this.#schedule()
      })
      this.#schedule()
    })
  }

  #nextBatch(): Waiting<In, Out>[] {
    const { maxItems, maxBytes, minShare = Number.POSITIVE_INFINITY, bytesOf } = this.#limits
    const all = this.#waiting.length
    const share = all < 2 * minShare ? all : Math.ceil(all / (MAX_IN_FLIGHT - this.#inFlight))
    const most = Math.min(maxItems, share)
    let count = 0
    for (let bytes = 0; count < most; count += 1) {
      bytes += bytesOf(this.#waiting[count]?.item as In)
      if (bytes > maxBytes && count > 0) break
    }
    return this.#waiting.splice(0, count)
  }

  async #send(batch: readonly Waiting<In, Out>[]): Promise<void> {
    try {
      const results = await this.#write(batch.map(({ item }) => item))
      batch.forEach(({ result }, i) => {
        result.resolve(results[i] as Out)
      })
    } catch (error) {
      // One bad item must not fail the others; an outage fails all.
      if (batch.length === 1 || isTransient(error)) for (const { result } of batch) result.reject(error)
      else for (const waiting of batch) await this.#send([waiting])
    }
  }
}
