import { randomInt } from 'node:crypto'
import type { Database } from '../../db/database.ts'
import { isTransient } from '../../db/errors.ts'
import { ErrorCounts } from '../definition/error-groups.ts'
import { addEnd, addRun, addWait, type End, type Figures, noFigures } from '../definition/figures.ts'
import type { RunEvent, TaskEventMap, TaskEvents } from '../runtime/events.ts'
import { within } from '../runtime/timeouts.ts'
import { addFigures, SOURCES } from '../store/figures.ts'

const FLUSH_INTERVAL_MS = 5_000
/** One hour. */
const MAX_BUCKETS = 720
const STOP_MS = 1_000

/** What was counted from an instant of this process on, by type. */
interface Bucket {
  readonly at: number
  readonly types: Map<string, Figures>
  readonly errors: ErrorCounts
}

/**
 * Counts in memory what happens to tasks in this process, and adds it to the spans of time in the database. A process that is killed loses the counts of its last five seconds.
 */
export class FigureCounter {
  readonly #db: Database
  readonly #events: TaskEvents
  readonly #source = randomInt(SOURCES)
  readonly #unlisten: () => void
  #buckets: Bucket[] = []
  #timer: NodeJS.Timeout | undefined
  #flushing: Promise<void> | undefined
  #stopped = false

  constructor(db: Database, events: TaskEvents) {
    this.#db = db
    this.#events = events
    this.#unlisten = events.listen({
      started: ({ taskType, waitedMs }) => addWait(this.#figuresOf(taskType), waitedMs),
      ended: (event) => this.#countRun(event),
      cancelled: ({ taskType, isCounted }) => {
        if (!isCounted) this.#addEnd(taskType, 'cancelled')
      },
      rescued: ({ tasks }) => {
        for (const task of tasks) this.#addFailure(task, task.status === 'failed' ? 'failed' : 'retried')
      },
      unknownTypeFailed: (event) => this.#addFailure(event, 'failed'),
    })
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
    this.#unlisten()
    await within(STOP_MS, this.#flushAll())
  }

  /** What was counted while a flush was under way needs another one. */
  async #flushAll(): Promise<void> {
    await this.#flushing
    await this.flush()
  }

  #countRun(event: TaskEventMap['ended'][0]): void {
    const { taskType, outcome, durationMs, retryInMs } = event
    const figures = this.#figuresOf(taskType)
    addRun(figures, durationMs)
    if (outcome === 'completed') addEnd(figures, 'completed')
    else if (outcome === 'failed' || outcome === 'timed_out') {
      this.#addFailure(event, retryInMs === undefined ? 'failed' : 'retried')
    }
  }

  #addEnd(taskType: string, end: End): void {
    addEnd(this.#figuresOf(taskType), end)
  }

  #addFailure({ taskType, taskId, error = '' }: RunEvent & { error?: string }, end: End): void {
    this.#addEnd(taskType, end)
    this.#currentBucket().errors.add(taskType, taskId, error)
  }

  #figuresOf(taskType: string): Figures {
    const { types } = this.#currentBucket()
    let figures = types.get(taskType)
    if (!figures) {
      figures = noFigures()
      types.set(taskType, figures)
    }
    this.#flushSoon()
    return figures
  }

  #currentBucket(): Bucket {
    const now = performance.now()
    let bucket = this.#buckets.at(-1)
    if (!bucket || now - bucket.at >= FLUSH_INTERVAL_MS) {
      bucket = { at: now, types: new Map(), errors: new ErrorCounts() }
      this.#buckets.push(bucket)
      if (this.#buckets.length > MAX_BUCKETS) this.#buckets.shift()
    }
    return bucket
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
      await addFigures(
        this.#db,
        this.#source,
        buckets.flatMap(({ at, types }) =>
          [...types].map(([taskType, figures]) => ({ ageMs: now - at, taskType, figures })),
        ),
        buckets.flatMap(({ at, errors }) => errors.list().map((group) => ({ ...group, ageMs: now - at }))),
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
