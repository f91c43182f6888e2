import type { Percentiles } from '../../contract/overview-views.ts'

/**
 * What is counted of a type in a span of time, as one list of numbers: ends by kind, then how long tasks waited for their
 * start, then how long attempts ran. Figures add up, number by number.
 */

/** The first three end a task; `retried`: an attempt failed or was lost, and another one follows. */
export const ENDS = ['completed', 'failed', 'cancelled', 'retried'] as const
export type End = (typeof ENDS)[number]

/** Each limit is √2 times the one before, from 1 ms on; the last bucket takes everything above 9 hours. */
const BUCKETS = 52
const PER_DOUBLING = 2

const WAITING = ENDS.length
const RUNNING = WAITING + BUCKETS
const SIZE = RUNNING + BUCKETS

export type Figures = number[]

export const noFigures = (): Figures => new Array<number>(SIZE).fill(0)

export function addEnd(figures: Figures, end: End): void {
  raise(figures, ENDS.indexOf(end))
}

export function addWait(figures: Figures, ms: number): void {
  raise(figures, WAITING + bucketOf(ms))
}

export function addRun(figures: Figures, ms: number): void {
  raise(figures, RUNNING + bucketOf(ms))
}

export function endsIn(figures: Figures): Record<End, number> {
  const [completed = 0, failed = 0, cancelled = 0, retried = 0] = figures
  return { completed, failed, cancelled, retried }
}

/** Null: none was counted. */
export const waitingIn = (figures: Figures): Percentiles | null => percentiles(figures, WAITING)
export const runningIn = (figures: Figures): Percentiles | null => percentiles(figures, RUNNING)

export function sum(all: readonly Figures[]): Figures {
  const total = noFigures()
  for (const figures of all) for (const [i, count] of figures.entries()) raise(total, i, count)
  return total
}

function raise(figures: Figures, i: number, by = 1): void {
  figures[i] = (figures[i] ?? 0) + by
}

function bucketOf(ms: number): number {
  return ms > 1 ? Math.min(BUCKETS - 1, Math.ceil(PER_DOUBLING * Math.log2(ms))) : 0
}

function percentiles(figures: Figures, from: number): Percentiles | null {
  const counts = figures.slice(from, from + BUCKETS)
  const count = counts.reduce((total, one) => total + one, 0)
  if (count === 0) return null
  const at = (share: number) => percentile(counts, share * count)
  return { count, p50: at(0.5), p95: at(0.95), p99: at(0.99) }
}

/** Assumes that a bucket's values are spread evenly, by their logarithm. */
function percentile(counts: readonly number[], rank: number): number {
  let below = 0
  for (const [bucket, count] of counts.entries()) {
    if (below + count >= rank && count > 0) {
      const position = bucket - 1 + (rank - below) / count
      return bucket === 0 ? 1 : Math.round(2 ** (position / PER_DOUBLING))
    }
    below += count
  }
  return 0
}
