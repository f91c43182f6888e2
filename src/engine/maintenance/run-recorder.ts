import type { Database } from '../../db/database.ts'
import { isTransient } from '../../db/errors.ts'
import type { RunEvent, TaskEvents } from '../runtime/events.ts'
import { within } from '../runtime/timeouts.ts'
import { addRuns, type EndedRun } from '../store/runs.ts'

const FLUSH_INTERVAL_MS = 5_000
/** Runs of a flush; the others are counted. */
const MAX_RUNS = 30
const STOP_MS = 1_000

/** An ended run, with the instants of this process. */
type Ended = Omit<EndedRun, 'ageMs'> & { readonly at: number }

interface Recorded {
  readonly id: string
  /** When an attempt started, as `performance.now()` counts; undefined: it does not run here. */
  runsSince(taskId: string, attempt: number): number | undefined
}

/**
 * Keeps what this executor has run lately, for the admin page: a row every five seconds, with failures and the
 * longest runs. A process that is killed loses its last five seconds.
 */
export class RunRecorder {
  readonly #db: Database
  readonly #executorId: string
  readonly #events: TaskEvents
  readonly #unlisten: () => void
  #ended: Ended[] = []
  #omitted = 0
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(db: Database, executor: Recorded, events: TaskEvents) {
    this.#db = db
    this.#executorId = executor.id
    this.#events = events
    this.#unlisten = events.listen({
      ended: (run) => this.#add(run, run.outcome, run.durationMs),
      cancelled: ({ taskId, taskType, attempt }) => {
        // Cancels of tasks that run elsewhere come here, too.
        const since = executor.runsSince(taskId, attempt)
        if (since !== undefined)
          this.#add({ taskId, taskType, attempt }, 'cancelled', performance.now() - since)
      },
    })
  }

  /** Waits a second at most: an outage must not delay a stop. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    this.#unlisten()
    await within(STOP_MS, this.flush())
  }

  /** What could not be written because of an outage is dropped. */
  async flush(): Promise<void> {
    if (this.#ended.length === 0) return
    this.#keepMostTelling()
    const now = performance.now()
    const runs = this.#ended.map(({ at, ...run }) => ({ ...run, ageMs: Math.round(now - at) }))
    const omitted = this.#omitted
    this.#ended = []
    this.#omitted = 0
    try {
      await addRuns(this.#db, this.#executorId, runs, omitted)
    } catch (error) {
      if (!isTransient(error)) this.#events.emit('writeFailed', { what: 'runs of the executor', error })
    }
  }

  #add({ taskId, taskType, attempt }: RunEvent, outcome: EndedRun['outcome'], durationMs: number): void {
    const at = performance.now()
    this.#ended.push({ taskId, taskType, attempt, outcome, durationMs: Math.round(durationMs), at })
    if (this.#ended.length >= 100 * MAX_RUNS) this.#keepMostTelling()
    if (this.#stopped) return
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      void this.flush()
    }, FLUSH_INTERVAL_MS).unref()
  }

  #keepMostTelling(): void {
    const isBad = ({ outcome }: Ended) => Number(outcome === 'failed' || outcome === 'timed_out')
    const kept = this.#ended
      .toSorted((a, b) => isBad(b) - isBad(a) || b.durationMs - a.durationMs)
      .slice(0, MAX_RUNS)
    this.#omitted += this.#ended.length - kept.length
    this.#ended = kept
  }
}
