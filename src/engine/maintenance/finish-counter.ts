import { randomUUID } from 'node:crypto'
import type { Database } from '../../db/database.ts'
import { isTransient } from '../../db/errors.ts'
import type { TaskEventMap, TaskEvents } from '../runtime/events.ts'
import { pause } from '../runtime/wake-up.ts'
import { addEnds } from '../store/stats.ts'

const FLUSH_INTERVAL_MS = 5_000
const BUCKET_MS = 1_000
/** Statistics cover one hour. */
const MAX_BUCKETS = 3_600
const STOP_MS = 1_000

interface Bucket {
  readonly at: number
  completed: number
  failed: number
  cancelled: number
}

/** Counts ended tasks in memory and adds them to their minutes. Counts of a killed process are lost. */
export class FinishCounter {
  readonly #db: Database
  readonly #events: TaskEvents
  readonly #source = randomUUID()
  #buckets: Bucket[] = []
  #timer: NodeJS.Timeout | undefined
  #flushing: Promise<void> | undefined
  #stopped = false

  constructor(db: Database, events: TaskEvents) {
    this.#db = db
    this.#events = events
    events.on('ended', this.#onEnded)
    events.on('cancelled', this.#onCancelled)
    events.on('rescued', this.#onRescued)
    events.on('unknownTypeFailed', this.#onUnknownTypeFailed)
  }

  /** A failure keeps the counts for the next flush. */
  flush(): Promise<void> {
    this.#flushing ??= this.#write().finally(() => {
      this.#flushing = undefined
    })
    return this.#flushing
  }

  /** Waits a second at most: an outage must not delay a stop. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    this.#events.off('ended', this.#onEnded)
    this.#events.off('cancelled', this.#onCancelled)
    this.#events.off('rescued', this.#onRescued)
    this.#events.off('unknownTypeFailed', this.#onUnknownTypeFailed)
    const written = new AbortController()
    const flushed = this.flush().finally(() => written.abort())
    await Promise.race([flushed, pause(STOP_MS, written.signal)])
  }

  readonly #onEnded = ({ outcome, retryInMs }: TaskEventMap['ended'][0]): void => {
    if (outcome === 'completed') this.#add('completed')
    else if ((outcome === 'failed' || outcome === 'timed_out') && retryInMs === undefined) this.#add('failed')
  }

  readonly #onCancelled = (): void => this.#add('cancelled')

  readonly #onRescued = ({ tasks }: TaskEventMap['rescued'][0]): void => {
    for (const { status } of tasks) if (status === 'failed') this.#add('failed')
  }

  readonly #onUnknownTypeFailed = (): void => this.#add('failed')

  #add(status: 'completed' | 'failed' | 'cancelled'): void {
    const now = performance.now()
    let bucket = this.#buckets.at(-1)
    if (!bucket || now - bucket.at >= BUCKET_MS) {
      bucket = { at: now, completed: 0, failed: 0, cancelled: 0 }
      this.#buckets.push(bucket)
      if (this.#buckets.length > MAX_BUCKETS) this.#buckets.shift()
    }
    bucket[status] += 1
    this.#flushSoon()
  }

  #flushSoon(): void {
    if (this.#stopped) return
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      void this.flush()
    }, FLUSH_INTERVAL_MS).unref()
  }

  async #write(): Promise<void> {
    const buckets = this.#buckets
    if (buckets.length === 0) return
    this.#buckets = []
    const now = performance.now()
    try {
      await addEnds(
        this.#db,
        this.#source,
        buckets.map(({ at, ...counts }) => ({ ageMs: now - at, ...counts })),
      )
    } catch (error) {
      if (!isTransient(error)) {
        this.#events.emit('writeFailed', { what: 'counts of ended tasks', error })
        return
      }
      // Counts whose response was lost are added twice.
      this.#buckets = [...buckets, ...this.#buckets].slice(-MAX_BUCKETS)
      this.#flushSoon()
    }
  }
}
