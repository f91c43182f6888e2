import type { ExecutorRun } from '../../../client/index.ts'

export interface LaneRun {
  readonly run: ExecutorRun
  /** Number of the lane, from 0. */
  readonly lane: number
  /** Milliseconds since the epoch. */
  readonly from: number
  readonly to: number
}

/**
 * Runs in as many lanes as there are slots: none overlaps another in its lane, where the instants of two clocks allow.
 * Which slot ran a task is not known.
 */
export function toLanes(runs: readonly ExecutorRun[], slots: number, now: number): LaneRun[] {
  const ends: number[] = []
  const sorted = runs
    .map((run) => ({ run, from: run.startedAt.getTime(), to: run.endedAt?.getTime() ?? now }))
    .sort((a, b) => a.from - b.from)
  return sorted.map((one) => {
    let lane = ends.findIndex((end) => end <= one.from)
    if (lane < 0) lane = ends.length < slots ? ends.length : ends.indexOf(Math.min(...ends))
    ends[lane] = Math.max(ends[lane] ?? 0, one.to)
    return { ...one, lane }
  })
}
