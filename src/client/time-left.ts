import type { TaskSummary } from '../contract/task.ts'

/** The pace of the last while counts: what was quick at first may be slow by now. */
const WINDOW_MS = 60_000
/** Two reports close together reveal little about a pace. */
const MIN_SPAN_MS = 1_000

type Progressing = Pick<TaskSummary, 'taskId' | 'status' | 'progress' | 'total' | 'startedAt'>

interface Sample {
  readonly atMs: number
  readonly progress: number
}

/** Guesses from what was seen of a task how long it will take. */
export class TimeLeft {
  #key = ''
  #samples: Sample[] = []

  /** Seconds until the end, as far as it can be guessed. `nowMs` is by any clock that does not jump. */
  guess(task: Progressing, nowMs: number): number | undefined {
    const { status, total } = task
    if (status !== 'running' || total <= 0) return undefined
    this.#see(task, nowMs)
    const first = this.#samples[0]
    const last = this.#samples.at(-1)
    if (!first || !last) return undefined
    const leftMs = (total - last.progress) * this.#msAStep(first, last, task, nowMs)
    return Number.isFinite(leftMs) ? Math.max(0, leftMs - (nowMs - last.atMs)) / 1_000 : undefined
  }

  #see({ taskId, startedAt, progress }: Progressing, nowMs: number): void {
    const key = `${taskId} ${startedAt?.getTime()}`
    if (key !== this.#key) this.#samples = []
    this.#key = key
    if (this.#samples.at(-1)?.progress !== progress) this.#samples.push({ atMs: nowMs, progress })
    while (this.#samples.length > 2 && nowMs - (this.#samples[1]?.atMs ?? nowMs) > WINDOW_MS) {
      this.#samples.shift()
    }
  }

  #msAStep(first: Sample, last: Sample, { startedAt, progress }: Progressing, nowMs: number): number {
    const steps = last.progress - first.progress
    if (steps > 0 && last.atMs - first.atMs >= MIN_SPAN_MS) return (last.atMs - first.atMs) / steps
    // Not seen for long enough: then since its start, by two clocks that had better agree.
    const sinceStartMs = startedAt ? Date.now() - startedAt.getTime() - (nowMs - last.atMs) : Number.NaN
    return progress > 0 && sinceStartMs > 0 ? sinceStartMs / progress : Number.NaN
  }
}
